package dev.yuzui.weights;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Quantizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * A complete V3-architecture model of a few thousand weights that writes itself in every layout.
 * All weights are multiples of 1/64 below 2, which F32, F16 and BF16 hold exactly, so that the
 * layouts must agree bit for bit. A dense layer, a layer with experts, then MTP layers.
 *
 * @param queryRank 0: plain query projection
 * @param mtp MTP layers, with embedding and head of their own
 */
record TinyModel(int queryRank, int mtp) {
  static final int H = 32;
  static final int VOCAB = 40;
  static final int LAYERS = 2;
  static final int HEADS = 2;
  static final int P = 32;
  static final int R = 4;
  static final int V = 32;
  static final int LKV = 32;
  static final int DENSE = 32;
  static final int F = 32;
  static final int E = 4;
  static final int SHARED = 2;

  /** How the two halves of kv_b, and gate and up, lie in a GGUF. */
  enum Layout {
    /** attn_kv_b, head lengths without _mla */
    OLD,
    /** attn_k_b, attn_v_b, 3-D */
    NEW,
    /** all three, the halves 2-D, as ik_llama.cpp writes */
    BOTH,
    /** as NEW, with ffn_gate_up_exps */
    FUSED
  }

  static final TinyModel V3 = new TinyModel(32, 1);

  /** Weights [rows, cols] that depend on the name alone. */
  static float[] weights(String name, int rows, int cols) {
    SplittableRandom random = new SplittableRandom(name.hashCode());
    float[] x = new float[rows * cols];
    for (int i = 0; i < x.length; i++) {
      x[i] = random.nextInt(-127, 128) / 64f;
    }
    return x;
  }

  static float[] keyUp(int layer) {
    return weights("k" + layer, HEADS * LKV, P);
  }

  static float[] valueUp(int layer) {
    return weights("v" + layer, HEADS * V, LKV);
  }

  /** [N·(P+V), Lkv]: a head's keys, transposed back, before its values. */
  static float[] keyValueUp(int layer) {
    float[] k = keyUp(layer);
    float[] v = valueUp(layer);
    float[] both = new float[HEADS * (P + V) * LKV];
    for (int n = 0; n < HEADS; n++) {
      for (int l = 0; l < LKV; l++) {
        for (int p = 0; p < P; p++) {
          both[(n * (P + V) + p) * LKV + l] = k[(n * LKV + l) * P + p];
        }
        for (int i = 0; i < V; i++) {
          both[(n * (P + V) + P + i) * LKV + l] = v[(n * V + i) * LKV + l];
        }
      }
    }
    return both;
  }

  static byte[] encode(Encoding encoding, float[] x) {
    byte[] out = new byte[(int) encoding.byteSize(1, x.length)];
    Quantizer.encode(encoding, x, 0, x.length, MemorySegment.ofArray(out), 0);
    return out;
  }

  // ------------------------------------------------------------------------------------ GGUF

  GgufWriter gguf(Layout layout, Encoding encoding) {
    GgufWriter w = new GgufWriter();
    metadata(w, layout);
    int type =
        List.of(Encoding.F32, Encoding.F16).contains(encoding)
            ? List.of(Encoding.F32, Encoding.F16).indexOf(encoding)
            : encoding.equals(Encoding.BF16) ? 30 : 8;
    Gguf g = new Gguf(w, encoding, type);
    g.matrix("token_embd.weight", "embed", VOCAB, H);
    g.vector("output_norm.weight", "norm", H);
    g.matrix("output.weight", "head", VOCAB, H);
    for (int i = 0; i < LAYERS + mtp; i++) {
      String b = "blk." + i + ".";
      g.vector(b + "attn_norm.weight", "an" + i, H);
      if (queryRank == 0) {
        g.matrix(b + "attn_q.weight", "q" + i, HEADS * (P + R), H);
      } else {
        g.matrix(b + "attn_q_a.weight", "qa" + i, queryRank, H);
        g.vector(b + "attn_q_a_norm.weight", "qan" + i, queryRank);
        g.matrix(b + "attn_q_b.weight", "qb" + i, HEADS * (P + R), queryRank);
      }
      g.matrix(b + "attn_kv_a_mqa.weight", "kva" + i, LKV + R, H);
      g.vector(b + "attn_kv_a_norm.weight", "kvan" + i, LKV);
      if (layout == Layout.OLD || layout == Layout.BOTH) {
        g.put(b + "attn_kv_b.weight", keyValueUp(i), HEADS * (P + V), LKV);
      }
      if (layout == Layout.BOTH) {
        g.put(b + "attn_k_b.weight", keyUp(i), HEADS * LKV, P);
        g.put(b + "attn_v_b.weight", valueUp(i), HEADS * V, LKV);
      } else if (layout != Layout.OLD) {
        g.put(b + "attn_k_b.weight", keyUp(i), HEADS, LKV, P);
        g.put(b + "attn_v_b.weight", valueUp(i), HEADS, V, LKV);
      }
      g.matrix(b + "attn_output.weight", "o" + i, H, HEADS * V);
      g.vector(b + "ffn_norm.weight", "fn" + i, H);
      if (i == 0) {
        g.matrix(b + "ffn_gate.weight", "g" + i, DENSE, H);
        g.matrix(b + "ffn_up.weight", "u" + i, DENSE, H);
        g.matrix(b + "ffn_down.weight", "d" + i, H, DENSE);
      } else {
        experts(g, b, i, layout);
      }
      if (i >= LAYERS) {
        g.matrix(b + "nextn.eh_proj.weight", "eh" + i, H, 2 * H);
        g.vector(b + "nextn.enorm.weight", "en" + i, H);
        g.vector(b + "nextn.hnorm.weight", "hn" + i, H);
        g.vector(b + "nextn.shared_head_norm.weight", "sn" + i, H);
        g.matrix(b + "nextn.embed_tokens.weight", "me" + i, VOCAB, H);
        g.matrix(b + "nextn.shared_head_head.weight", "mh" + i, VOCAB, H);
      }
    }
    return w;
  }

  private static void experts(Gguf g, String b, int i, Layout layout) {
    g.w.tensor(b + "ffn_gate_inp.weight", 0, encode(Encoding.F32, weights("r" + i, E, H)), E, H);
    g.w.tensor(b + "exp_probs_b.bias", 0, encode(Encoding.F32, weights("rb" + i, 1, E)), E);
    if (layout == Layout.FUSED) {
      float[] both = new float[0];
      for (int e = 0; e < E; e++) {
        both = concat(both, weights("eg" + i + "." + e, F, H));
        both = concat(both, weights("eu" + i + "." + e, F, H));
      }
      g.put(b + "ffn_gate_up_exps.weight", both, E, 2 * F, H);
    } else {
      g.put(b + "ffn_gate_exps.weight", stacked("eg" + i, F, H), E, F, H);
      g.put(b + "ffn_up_exps.weight", stacked("eu" + i, F, H), E, F, H);
    }
    g.put(b + "ffn_down_exps.weight", stacked("ed" + i, H, F), E, H, F);
    g.matrix(b + "ffn_gate_shexp.weight", "sg" + i, F * SHARED, H);
    g.matrix(b + "ffn_up_shexp.weight", "su" + i, F * SHARED, H);
    g.matrix(b + "ffn_down_shexp.weight", "sd" + i, H, F * SHARED);
  }

  private void metadata(GgufWriter w, Layout layout) {
    String a = "deepseek2.";
    w.put("general.architecture", "deepseek2").put("general.name", "tiny");
    w.put(a + "block_count", LAYERS + mtp).put(a + "context_length", 512);
    w.put(a + "embedding_length", H).put(a + "feed_forward_length", DENSE);
    w.put(a + "attention.head_count", HEADS);
    w.put(a + "attention.head_count_kv", layout == Layout.OLD ? HEADS : 1);
    w.put(a + "rope.freq_base", 10000f).put(a + "attention.layer_norm_rms_epsilon", 1e-6f);
    w.put(a + "expert_used_count", 2).put(a + "leading_dense_block_count", 1);
    w.put(a + "vocab_size", VOCAB);
    if (queryRank > 0) {
      w.put(a + "attention.q_lora_rank", queryRank);
    }
    w.put(a + "attention.kv_lora_rank", LKV);
    if (layout == Layout.OLD) {
      w.put(a + "attention.key_length", P + R).put(a + "attention.value_length", V);
    } else {
      w.put(a + "attention.key_length", LKV + R).put(a + "attention.value_length", LKV);
      w.put(a + "attention.key_length_mla", P + R).put(a + "attention.value_length_mla", V);
    }
    w.put(a + "expert_feed_forward_length", F).put(a + "expert_count", E);
    w.put(a + "expert_shared_count", SHARED).put(a + "expert_weights_scale", 2.5f);
    w.put(a + "expert_weights_norm", true).put(a + "expert_gating_func", 2);
    w.put(a + "expert_group_count", 2).put(a + "expert_group_used_count", 1);
    w.put(a + "rope.dimension_count", R).put(a + "rope.scaling.type", "yarn");
    w.put(a + "rope.scaling.factor", 40f).put(a + "rope.scaling.original_context_length", 64);
    w.put(a + "rope.scaling.yarn_log_multiplier", 0.1f);
    if (mtp > 0) {
      w.put(a + "nextn_predict_layers", mtp);
    }
    w.put("tokenizer.ggml.model", "gpt2").put("tokenizer.ggml.pre", "deepseek-v3");
    List<String> tokens = IntStream.range(0, VOCAB).mapToObj(i -> "t" + i).toList();
    w.put("tokenizer.ggml.tokens", tokens);
    w.put("tokenizer.ggml.token_type", tokens.stream().map(_ -> 1).toList());
    w.put("tokenizer.ggml.merges", List.of("t 1", "t 2"));
    w.put("tokenizer.ggml.bos_token_id", 0).put("tokenizer.ggml.eos_token_id", 1);
    w.put("tokenizer.ggml.add_bos_token", true);
  }

  private record Gguf(GgufWriter w, Encoding encoding, int type) {
    void matrix(String name, String of, int rows, int cols) {
      put(name, weights(of, rows, cols), rows, cols);
    }

    void vector(String name, String of, int n) {
      w.tensor(name, 0, encode(Encoding.F32, weights(of, 1, n)), n);
    }

    void put(String name, float[] x, long... shape) {
      w.tensor(name, type, encode(encoding, x), shape);
    }
  }

  private static float[] stacked(String of, int rows, int cols) {
    float[] all = new float[0];
    for (int e = 0; e < E; e++) {
      all = concat(all, weights(of + "." + e, rows, cols));
    }
    return all;
  }

  private static float[] concat(float[] a, float[] b) {
    float[] out = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, out, a.length, b.length);
    return out;
  }

  // ---------------------------------------------------------------------------- Hugging Face

  /** config.json's content, to change before {@link #folder}. */
  Map<String, Object> config() {
    Map<String, Object> c = new LinkedHashMap<>();
    c.put("model_type", "deepseek_v3");
    c.put("hidden_act", "silu");
    c.put("hidden_size", H);
    c.put("intermediate_size", DENSE);
    c.put("moe_intermediate_size", F);
    c.put("num_hidden_layers", LAYERS);
    c.put("num_attention_heads", HEADS);
    c.put("num_key_value_heads", HEADS);
    c.put("n_routed_experts", E);
    c.put("n_shared_experts", SHARED);
    c.put("num_experts_per_tok", 2);
    c.put("n_group", 2);
    c.put("topk_group", 1);
    c.put("topk_method", "noaux_tc");
    c.put("scoring_func", "sigmoid");
    c.put("norm_topk_prob", true);
    c.put("routed_scaling_factor", 2.5);
    c.put("first_k_dense_replace", 1);
    c.put("moe_layer_freq", 1);
    c.put("q_lora_rank", queryRank == 0 ? null : queryRank);
    c.put("kv_lora_rank", LKV);
    c.put("qk_nope_head_dim", P);
    c.put("qk_rope_head_dim", R);
    c.put("v_head_dim", V);
    c.put("vocab_size", VOCAB);
    c.put("max_position_embeddings", 512);
    c.put("rms_norm_eps", 1e-6);
    c.put("rope_theta", 10000);
    c.put(
        "rope_scaling",
        new LinkedHashMap<>(
            Map.of(
                "type",
                "yarn",
                "factor",
                40,
                "original_max_position_embeddings",
                64,
                "beta_fast",
                32,
                "beta_slow",
                1,
                "mscale",
                1.0,
                "mscale_all_dim",
                1.0)));
    c.put("bos_token_id", 0);
    c.put("eos_token_id", 1);
    c.put("tie_word_embeddings", false);
    c.put("num_nextn_predict_layers", mtp);
    return c;
  }

  /**
   * Every tensor by its published name.
   *
   * @param dtype F32, F16, BF16, or F8_E4M3 for linear layers (then the rest is BF16)
   */
  SafetensorsWriter safetensors(String dtype) {
    Hf hf = new Hf(new SafetensorsWriter(), dtype);
    hf.plain("model.embed_tokens.weight", "embed", VOCAB, H);
    hf.vector("model.norm.weight", "norm", H);
    hf.plain("lm_head.weight", "head", VOCAB, H);
    for (int i = 0; i < LAYERS + mtp; i++) {
      String b = "model.layers." + i + ".";
      String s = b + "self_attn.";
      hf.vector(b + "input_layernorm.weight", "an" + i, H);
      if (queryRank == 0) {
        hf.linear(s + "q_proj.weight", "q" + i, HEADS * (P + R), H);
      } else {
        hf.linear(s + "q_a_proj.weight", "qa" + i, queryRank, H);
        hf.vector(s + "q_a_layernorm.weight", "qan" + i, queryRank);
        hf.linear(s + "q_b_proj.weight", "qb" + i, HEADS * (P + R), queryRank);
      }
      hf.linear(s + "kv_a_proj_with_mqa.weight", "kva" + i, LKV + R, H);
      hf.vector(s + "kv_a_layernorm.weight", "kvan" + i, LKV);
      hf.linear(s + "kv_b_proj.weight", keyValueUp(i), HEADS * (P + V), LKV);
      hf.linear(s + "o_proj.weight", "o" + i, H, HEADS * V);
      hf.vector(b + "post_attention_layernorm.weight", "fn" + i, H);
      if (i == 0) {
        hf.mlp(b + "mlp.", "", i + "", DENSE);
      } else {
        hf.plain(b + "mlp.gate.weight", "r" + i, E, H);
        hf.out.tensor(
            b + "mlp.gate.e_score_correction_bias",
            "F32",
            encode(Encoding.F32, weights("rb" + i, 1, E)),
            (long) E);
        for (int e = 0; e < E; e++) {
          hf.mlp(b + "mlp.experts." + e + ".", "e", i + "." + e, F);
        }
        hf.mlp(b + "mlp.shared_experts.", "s", i + "", F * SHARED);
      }
      if (i >= LAYERS) {
        hf.plain(b + "eh_proj.weight", "eh" + i, H, 2 * H);
        hf.vector(b + "enorm.weight", "en" + i, H);
        hf.vector(b + "hnorm.weight", "hn" + i, H);
        hf.vector(b + "shared_head.norm.weight", "sn" + i, H);
        hf.plain(b + "embed_tokens.weight", "me" + i, VOCAB, H);
        hf.plain(b + "shared_head.head.weight", "mh" + i, VOCAB, H);
      }
    }
    return hf.out;
  }

  private record Hf(SafetensorsWriter out, String dtype) {
    void mlp(String prefix, String kind, String of, int width) {
      linear(prefix + "gate_proj.weight", kind + "g" + of, width, H);
      linear(prefix + "up_proj.weight", kind + "u" + of, width, H);
      linear(prefix + "down_proj.weight", kind + "d" + of, H, width);
    }

    void linear(String name, String of, int rows, int cols) {
      linear(name, weights(of, rows, cols), rows, cols);
    }

    void linear(String name, float[] x, int rows, int cols) {
      if (!dtype.equals("F8_E4M3")) {
        put(name, x, (long) rows, (long) cols);
        return;
      }
      out.tensor(name, dtype, e4m3(x), (long) rows, (long) cols);
      long down = Math.ceilDiv(rows, 128);
      long across = Math.ceilDiv(cols, 128);
      float[] half = new float[(int) (down * across)];
      Arrays.fill(half, 0.5f);
      out.tensor(name + "_scale_inv", "F32", encode(Encoding.F32, half), down, across);
    }

    void plain(String name, String of, int rows, int cols) {
      put(name, weights(of, rows, cols), (long) rows, (long) cols);
    }

    void vector(String name, String of, int n) {
      put(name, weights(of, 1, n), (long) n);
    }

    private void put(String name, float[] x, Long... shape) {
      String plain = dtype.equals("F8_E4M3") ? "BF16" : dtype;
      out.tensor(name, plain, encode(Encoding.byLabel(plain).orElseThrow(), x), shape);
    }
  }

  /**
   * The codes of 2·x rounded to one significant bit, so that scale 0.5 gives back powers of two.
   */
  private static byte[] e4m3(float[] x) {
    byte[] codes = new byte[x.length];
    for (int i = 0; i < x.length; i++) {
      int exponent = Math.max(Math.getExponent(2 * x[i]) + 7, 1);
      codes[i] = (byte) ((x[i] < 0 ? 0x80 : 0) | exponent << 3);
    }
    return codes;
  }

  /** Writes config.json and the weights, split over {@code shards} files. */
  static Path folder(Path folder, Map<String, Object> config, SafetensorsWriter all, int shards) {
    write(folder.resolve("config.json"), SafetensorsWriter.json(config).getBytes(UTF_8));
    if (shards == 1) {
      return write(folder.resolve("model.safetensors"), all.bytes()).getParent();
    }
    Map<String, String> weightMap = new TreeMap<>();
    List<String> names = new ArrayList<>(all.tensors.keySet());
    for (int s = 0; s < shards; s++) {
      SafetensorsWriter shard = new SafetensorsWriter();
      String file = "model-%05d-of-%05d.safetensors".formatted(s + 1, shards);
      for (int n = s; n < names.size(); n += shards) {
        shard.tensors.put(names.get(n), all.tensors.get(names.get(n)));
        weightMap.put(names.get(n), file);
      }
      write(folder.resolve(file), shard.bytes());
    }
    String index = SafetensorsWriter.json(Map.of("weight_map", weightMap));
    return write(folder.resolve("model.safetensors.index.json"), index.getBytes(UTF_8)).getParent();
  }

  static Path write(Path file, byte[] bytes) {
    try {
      Files.createDirectories(file.getParent());
      return Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
