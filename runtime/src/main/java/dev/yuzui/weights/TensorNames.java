package dev.yuzui.weights;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What each format calls the parts. {@code %d} is the layer; in Hugging Face names of expert
 * tensors a second {@code %d} is the expert, while GGUF stacks a layer's experts in one tensor.
 */
enum TensorNames {
  /** Also what parts are called that llama.cpp has in a file of its own, or as one. */
  GGUF(
      "blk.%d.",
      Optional.empty(),
      Map.ofEntries(
          Map.entry(Part.EMBED, "token_embd.weight"),
          Map.entry(Part.FINAL_NORM, "output_norm.weight"),
          Map.entry(Part.HEAD, "output.weight"),
          Map.entry(Part.HC_HEAD_FN, "output_hc_fn.weight"),
          Map.entry(Part.HC_HEAD_BASE, "output_hc_base.weight"),
          Map.entry(Part.HC_HEAD_SCALE, "output_hc_scale.weight"),
          Map.entry(Part.ATTN_NORM, "blk.%d.attn_norm.weight"),
          Map.entry(Part.Q, "blk.%d.attn_q.weight"),
          Map.entry(Part.Q_A, "blk.%d.attn_q_a.weight"),
          Map.entry(Part.Q_A_NORM, "blk.%d.attn_q_a_norm.weight"),
          Map.entry(Part.Q_B, "blk.%d.attn_q_b.weight"),
          Map.entry(Part.KV_A, "blk.%d.attn_kv_a_mqa.weight"),
          Map.entry(Part.KV_A_NORM, "blk.%d.attn_kv_a_norm.weight"),
          Map.entry(Part.KEY_UP, "blk.%d.attn_k_b.weight"),
          Map.entry(Part.VALUE_UP, "blk.%d.attn_v_b.weight"),
          Map.entry(Part.ATTN_OUT, "blk.%d.attn_output.weight"),
          Map.entry(Part.K, "blk.%d.attn_k.weight"),
          Map.entry(Part.V, "blk.%d.attn_v.weight"),
          Map.entry(Part.Q_BIAS, "blk.%d.attn_q.bias"),
          Map.entry(Part.K_BIAS, "blk.%d.attn_k.bias"),
          Map.entry(Part.V_BIAS, "blk.%d.attn_v.bias"),
          Map.entry(Part.ATTN_OUT_BIAS, "blk.%d.attn_output.bias"),
          Map.entry(Part.Q_NORM, "blk.%d.attn_q_norm.weight"),
          Map.entry(Part.K_NORM, "blk.%d.attn_k_norm.weight"),
          Map.entry(Part.INDEX_Q, "blk.%d.indexer.attn_q_b.weight"),
          Map.entry(Part.INDEX_K, "blk.%d.indexer.attn_k.weight"),
          Map.entry(Part.INDEX_K_NORM, "blk.%d.indexer.k_norm.weight"),
          Map.entry(Part.INDEX_K_BIAS, "blk.%d.indexer.k_norm.bias"),
          Map.entry(Part.INDEX_WEIGHTS, "blk.%d.indexer.proj.weight"),
          Map.entry(Part.HC_ATTN_FN, "blk.%d.hc_attn_fn.weight"),
          Map.entry(Part.HC_ATTN_BASE, "blk.%d.hc_attn_base.weight"),
          Map.entry(Part.HC_ATTN_SCALE, "blk.%d.hc_attn_scale.weight"),
          Map.entry(Part.HC_FFN_FN, "blk.%d.hc_ffn_fn.weight"),
          Map.entry(Part.HC_FFN_BASE, "blk.%d.hc_ffn_base.weight"),
          Map.entry(Part.HC_FFN_SCALE, "blk.%d.hc_ffn_scale.weight"),
          Map.entry(Part.KV, "blk.%d.attn_kv.weight"),
          Map.entry(Part.KV_NORM, "blk.%d.attn_kv_a_norm.weight"),
          Map.entry(Part.ATTN_SINKS, "blk.%d.attn_sinks.weight"),
          Map.entry(Part.ATTN_OUT_A, "blk.%d.attn_output_a.weight"),
          Map.entry(Part.ATTN_OUT_B, "blk.%d.attn_output_b.weight"),
          Map.entry(Part.COMPRESS_KV, "blk.%d.attn_compressor_kv.weight"),
          Map.entry(Part.COMPRESS_GATE, "blk.%d.attn_compressor_gate.weight"),
          Map.entry(Part.COMPRESS_APE, "blk.%d.attn_compressor_ape.weight"),
          Map.entry(Part.COMPRESS_NORM, "blk.%d.attn_compressor_norm.weight"),
          Map.entry(Part.INDEX_COMPRESS_KV, "blk.%d.indexer_compressor_kv.weight"),
          Map.entry(Part.INDEX_COMPRESS_GATE, "blk.%d.indexer_compressor_gate.weight"),
          Map.entry(Part.INDEX_COMPRESS_APE, "blk.%d.indexer_compressor_ape.weight"),
          Map.entry(Part.INDEX_COMPRESS_NORM, "blk.%d.indexer_compressor_norm.weight"),
          Map.entry(Part.FFN_NORM, "blk.%d.ffn_norm.weight"),
          Map.entry(Part.FFN_GATE, "blk.%d.ffn_gate.weight"),
          Map.entry(Part.FFN_UP, "blk.%d.ffn_up.weight"),
          Map.entry(Part.FFN_DOWN, "blk.%d.ffn_down.weight"),
          Map.entry(Part.ROUTER, "blk.%d.ffn_gate_inp.weight"),
          Map.entry(Part.ROUTER_BIAS, "blk.%d.exp_probs_b.bias"),
          Map.entry(Part.ROUTER_TABLE, "blk.%d.ffn_gate_tid2eid.weight"),
          Map.entry(Part.EXPERT_GATE, "blk.%d.ffn_gate_exps.weight"),
          Map.entry(Part.EXPERT_UP, "blk.%d.ffn_up_exps.weight"),
          Map.entry(Part.EXPERT_DOWN, "blk.%d.ffn_down_exps.weight"),
          Map.entry(Part.SHARED_GATE, "blk.%d.ffn_gate_shexp.weight"),
          Map.entry(Part.SHARED_UP, "blk.%d.ffn_up_shexp.weight"),
          Map.entry(Part.SHARED_DOWN, "blk.%d.ffn_down_shexp.weight"),
          Map.entry(Part.MTP_PROJ, "blk.%d.nextn.eh_proj.weight"),
          Map.entry(Part.MTP_PROJ_EMBED, "blk.%d.nextn.e_proj.weight"),
          Map.entry(Part.MTP_PROJ_HIDDEN, "blk.%d.nextn.h_proj.weight"),
          Map.entry(Part.MTP_ENORM, "blk.%d.nextn.enorm.weight"),
          Map.entry(Part.MTP_HNORM, "blk.%d.nextn.hnorm.weight"),
          Map.entry(Part.MTP_NORM, "blk.%d.nextn.shared_head_norm.weight"),
          Map.entry(Part.MTP_HC_FN, "blk.%d.nextn.hc_head_fn.weight"),
          Map.entry(Part.MTP_HC_BASE, "blk.%d.nextn.hc_head_base.weight"),
          Map.entry(Part.MTP_HC_SCALE, "blk.%d.nextn.hc_head_scale.weight"),
          Map.entry(Part.MTP_EMBED, "blk.%d.nextn.embed_tokens.weight"),
          Map.entry(Part.MTP_HEAD, "blk.%d.nextn.shared_head_head.weight")),
      Optional.of("blk.%d.attn_kv_b.weight"),
      Optional.of("blk.%d.ffn_gate_up_exps.weight"),
      List.of("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")),

  HUGGING_FACE(
      "model.layers.%d.",
      Optional.empty(),
      Map.ofEntries(
          Map.entry(Part.EMBED, "model.embed_tokens.weight"),
          Map.entry(Part.FINAL_NORM, "model.norm.weight"),
          Map.entry(Part.HEAD, "lm_head.weight"),
          Map.entry(Part.ATTN_NORM, "model.layers.%d.input_layernorm.weight"),
          Map.entry(Part.Q, "model.layers.%d.self_attn.q_proj.weight"),
          Map.entry(Part.Q_A, "model.layers.%d.self_attn.q_a_proj.weight"),
          Map.entry(Part.Q_A_NORM, "model.layers.%d.self_attn.q_a_layernorm.weight"),
          Map.entry(Part.Q_B, "model.layers.%d.self_attn.q_b_proj.weight"),
          Map.entry(Part.KV_A, "model.layers.%d.self_attn.kv_a_proj_with_mqa.weight"),
          Map.entry(Part.KV_A_NORM, "model.layers.%d.self_attn.kv_a_layernorm.weight"),
          Map.entry(Part.ATTN_OUT, "model.layers.%d.self_attn.o_proj.weight"),
          Map.entry(Part.K, "model.layers.%d.self_attn.k_proj.weight"),
          Map.entry(Part.V, "model.layers.%d.self_attn.v_proj.weight"),
          Map.entry(Part.Q_BIAS, "model.layers.%d.self_attn.q_proj.bias"),
          Map.entry(Part.K_BIAS, "model.layers.%d.self_attn.k_proj.bias"),
          Map.entry(Part.V_BIAS, "model.layers.%d.self_attn.v_proj.bias"),
          Map.entry(Part.ATTN_OUT_BIAS, "model.layers.%d.self_attn.o_proj.bias"),
          Map.entry(Part.Q_NORM, "model.layers.%d.self_attn.q_norm.weight"),
          Map.entry(Part.K_NORM, "model.layers.%d.self_attn.k_norm.weight"),
          Map.entry(Part.INDEX_Q, "model.layers.%d.self_attn.indexer.wq_b.weight"),
          Map.entry(Part.INDEX_K, "model.layers.%d.self_attn.indexer.wk.weight"),
          Map.entry(Part.INDEX_K_NORM, "model.layers.%d.self_attn.indexer.k_norm.weight"),
          Map.entry(Part.INDEX_K_BIAS, "model.layers.%d.self_attn.indexer.k_norm.bias"),
          Map.entry(Part.INDEX_WEIGHTS, "model.layers.%d.self_attn.indexer.weights_proj.weight"),
          Map.entry(Part.FFN_NORM, "model.layers.%d.post_attention_layernorm.weight"),
          Map.entry(Part.FFN_GATE, "model.layers.%d.mlp.gate_proj.weight"),
          Map.entry(Part.FFN_UP, "model.layers.%d.mlp.up_proj.weight"),
          Map.entry(Part.FFN_DOWN, "model.layers.%d.mlp.down_proj.weight"),
          Map.entry(Part.ROUTER, "model.layers.%d.mlp.gate.weight"),
          Map.entry(Part.ROUTER_BIAS, "model.layers.%d.mlp.gate.e_score_correction_bias"),
          Map.entry(Part.EXPERT_GATE, "model.layers.%d.mlp.experts.%d.gate_proj.weight"),
          Map.entry(Part.EXPERT_UP, "model.layers.%d.mlp.experts.%d.up_proj.weight"),
          Map.entry(Part.EXPERT_DOWN, "model.layers.%d.mlp.experts.%d.down_proj.weight"),
          Map.entry(Part.SHARED_GATE, "model.layers.%d.mlp.shared_experts.gate_proj.weight"),
          Map.entry(Part.SHARED_UP, "model.layers.%d.mlp.shared_experts.up_proj.weight"),
          Map.entry(Part.SHARED_DOWN, "model.layers.%d.mlp.shared_experts.down_proj.weight"),
          Map.entry(Part.MTP_PROJ, "model.layers.%d.eh_proj.weight"),
          Map.entry(Part.MTP_ENORM, "model.layers.%d.enorm.weight"),
          Map.entry(Part.MTP_HNORM, "model.layers.%d.hnorm.weight"),
          Map.entry(Part.MTP_NORM, "model.layers.%d.shared_head.norm.weight"),
          Map.entry(Part.MTP_EMBED, "model.layers.%d.embed_tokens.weight"),
          Map.entry(Part.MTP_HEAD, "model.layers.%d.shared_head.head.weight")),
      Optional.of("model.layers.%d.self_attn.kv_b_proj.weight"),
      Optional.empty(),
      List.of("rotary_emb.inv_freq")),

  /** DeepSeek-V4's release, whose names are those of DeepSeek's own code. */
  DEEPSEEK_V4(
      "layers.%d.",
      Optional.of("mtp.%d."),
      Map.ofEntries(
          Map.entry(Part.EMBED, "embed.weight"),
          Map.entry(Part.FINAL_NORM, "norm.weight"),
          Map.entry(Part.HEAD, "head.weight"),
          Map.entry(Part.HC_HEAD_FN, "hc_head_fn"),
          Map.entry(Part.HC_HEAD_BASE, "hc_head_base"),
          Map.entry(Part.HC_HEAD_SCALE, "hc_head_scale"),
          Map.entry(Part.HC_ATTN_FN, "layers.%d.hc_attn_fn"),
          Map.entry(Part.HC_ATTN_BASE, "layers.%d.hc_attn_base"),
          Map.entry(Part.HC_ATTN_SCALE, "layers.%d.hc_attn_scale"),
          Map.entry(Part.HC_FFN_FN, "layers.%d.hc_ffn_fn"),
          Map.entry(Part.HC_FFN_BASE, "layers.%d.hc_ffn_base"),
          Map.entry(Part.HC_FFN_SCALE, "layers.%d.hc_ffn_scale"),
          Map.entry(Part.ATTN_NORM, "layers.%d.attn_norm.weight"),
          Map.entry(Part.Q_A, "layers.%d.attn.wq_a.weight"),
          Map.entry(Part.Q_A_NORM, "layers.%d.attn.q_norm.weight"),
          Map.entry(Part.Q_B, "layers.%d.attn.wq_b.weight"),
          Map.entry(Part.KV, "layers.%d.attn.wkv.weight"),
          Map.entry(Part.KV_NORM, "layers.%d.attn.kv_norm.weight"),
          Map.entry(Part.ATTN_SINKS, "layers.%d.attn.attn_sink"),
          Map.entry(Part.ATTN_OUT_A, "layers.%d.attn.wo_a.weight"),
          Map.entry(Part.ATTN_OUT_B, "layers.%d.attn.wo_b.weight"),
          Map.entry(Part.COMPRESS_KV, "layers.%d.attn.compressor.wkv.weight"),
          Map.entry(Part.COMPRESS_GATE, "layers.%d.attn.compressor.wgate.weight"),
          Map.entry(Part.COMPRESS_APE, "layers.%d.attn.compressor.ape"),
          Map.entry(Part.COMPRESS_NORM, "layers.%d.attn.compressor.norm.weight"),
          Map.entry(Part.INDEX_Q, "layers.%d.attn.indexer.wq_b.weight"),
          Map.entry(Part.INDEX_WEIGHTS, "layers.%d.attn.indexer.weights_proj.weight"),
          Map.entry(Part.INDEX_COMPRESS_KV, "layers.%d.attn.indexer.compressor.wkv.weight"),
          Map.entry(Part.INDEX_COMPRESS_GATE, "layers.%d.attn.indexer.compressor.wgate.weight"),
          Map.entry(Part.INDEX_COMPRESS_APE, "layers.%d.attn.indexer.compressor.ape"),
          Map.entry(Part.INDEX_COMPRESS_NORM, "layers.%d.attn.indexer.compressor.norm.weight"),
          Map.entry(Part.FFN_NORM, "layers.%d.ffn_norm.weight"),
          Map.entry(Part.ROUTER, "layers.%d.ffn.gate.weight"),
          Map.entry(Part.ROUTER_BIAS, "layers.%d.ffn.gate.bias"),
          Map.entry(Part.ROUTER_TABLE, "layers.%d.ffn.gate.tid2eid"),
          Map.entry(Part.EXPERT_GATE, "layers.%d.ffn.experts.%d.w1.weight"),
          Map.entry(Part.EXPERT_UP, "layers.%d.ffn.experts.%d.w3.weight"),
          Map.entry(Part.EXPERT_DOWN, "layers.%d.ffn.experts.%d.w2.weight"),
          Map.entry(Part.SHARED_GATE, "layers.%d.ffn.shared_experts.w1.weight"),
          Map.entry(Part.SHARED_UP, "layers.%d.ffn.shared_experts.w3.weight"),
          Map.entry(Part.SHARED_DOWN, "layers.%d.ffn.shared_experts.w2.weight"),
          Map.entry(Part.MTP_PROJ_EMBED, "layers.%d.e_proj.weight"),
          Map.entry(Part.MTP_PROJ_HIDDEN, "layers.%d.h_proj.weight"),
          Map.entry(Part.MTP_ENORM, "layers.%d.enorm.weight"),
          Map.entry(Part.MTP_HNORM, "layers.%d.hnorm.weight"),
          Map.entry(Part.MTP_NORM, "layers.%d.norm.weight"),
          Map.entry(Part.MTP_HC_FN, "layers.%d.hc_head_fn"),
          Map.entry(Part.MTP_HC_BASE, "layers.%d.hc_head_base"),
          Map.entry(Part.MTP_HC_SCALE, "layers.%d.hc_head_scale")),
      Optional.empty(),
      Optional.empty(),
      List.of(".emb.tok_emb.weight", ".embed.weight", ".head.weight")); // MTP's copies

  private final String layerPrefix;
  private final Optional<String> mtpPrefix;
  private final Map<Part, String> names;
  private final Optional<String> keyValueUp;
  private final Optional<String> fusedGateUp;
  private final List<String> ignored;

  /**
   * @param mtpPrefix of MTP layers, where they are counted apart
   */
  TensorNames(
      String layerPrefix,
      Optional<String> mtpPrefix,
      Map<Part, String> names,
      Optional<String> keyValueUp,
      Optional<String> fusedGateUp,
      List<String> ignored) {
    this.layerPrefix = layerPrefix;
    this.mtpPrefix = mtpPrefix;
    this.names = new EnumMap<>(names);
    this.keyValueUp = keyValueUp;
    this.fusedGateUp = fusedGateUp;
    this.ignored = ignored;
  }

  /** Of the format that counts all layers on: empty for parts that it never stores. */
  Optional<String> of(Part part, int layer) {
    return Optional.ofNullable(names.get(part)).map(n -> n.formatted(layer));
  }

  /** Empty for parts that the format never stores, such as the two halves of kv_b. */
  Optional<String> of(Part part, int layer, DeepseekConfig c) {
    return of(part, layer).map(name -> counted(name, layer, c));
  }

  /** One expert's tensor, in a format that keeps them apart. */
  String ofExpert(Part part, int layer, int expert, DeepseekConfig c) {
    return counted(names.get(part).formatted(layer, expert), layer, c);
  }

  private String counted(String name, int layer, DeepseekConfig c) {
    String prefix = layerPrefix.formatted(layer);
    return name.startsWith(prefix) ? layerPrefix(layer, c) + name.substring(prefix.length()) : name;
  }

  /** kv_b, whose rows are a head's P key rows, then its V value rows: [N·(P+V), Lkv]. */
  String keyValueUp(int layer) {
    return keyValueUp.orElseThrow().formatted(layer);
  }

  /** Gate and up of all experts in one tensor: [E, 2F, H], gate rows first. */
  Optional<String> fusedGateUp(int layer) {
    return fusedGateUp.map(n -> n.formatted(layer));
  }

  String layerPrefix(int layer, DeepseekConfig c) {
    return mtpPrefix
        .filter(_ -> layer >= c.layers())
        .map(prefix -> prefix.formatted(layer - c.layers()))
        .orElseGet(() -> layerPrefix(layer));
  }

  /** Of the format that counts all layers on. */
  String layerPrefix(int layer) {
    return layerPrefix.formatted(layer);
  }

  /** Of a folder's model. */
  static TensorNames huggingFace(DeepseekConfig c) {
    return c.attention() instanceof AttentionConfig.Compressed ? DEEPSEEK_V4 : HUGGING_FACE;
  }

  /** Buffers that say nothing the configuration does not. */
  boolean ignores(String tensor) {
    return ignored.stream().anyMatch(tensor::endsWith);
  }
}
