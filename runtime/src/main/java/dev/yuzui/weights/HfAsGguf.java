package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.AttentionConfig.Compressed;
import dev.yuzui.weights.AttentionConfig.Grouped;
import dev.yuzui.weights.AttentionConfig.Latent;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** A Hugging Face folder as llama.cpp's converter writes it. */
final class HfAsGguf {
  /** What the log multiplier of a GGUF is of mscale_all_dim. */
  private static final double LOG_MULTIPLIER = 0.1;

  private final MappedCheckpoint checkpoint;
  private final DeepseekConfig config;
  private final Optional<GroupedFamily> family;
  private final String architecture;

  /** MTP layers included, where the format has them in the same file. */
  private final int layers;

  private final Map<String, GgufValue> metadata = new LinkedHashMap<>();
  private final List<GgufTensor> tensors = new ArrayList<>();
  private final List<String> remarks = new ArrayList<>();
  private final Map<String, Path> files = new HashMap<>();

  private HfAsGguf(MappedCheckpoint checkpoint) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.layers =
        config.layers() + (config.attention() instanceof Compressed ? 0 : config.mtpLayers());
    this.family = GroupedFamily.named(checkpoint.metadata().getOrDefault("model_type", ""));
    checkpoint.stored().forEach(t -> files.put(t.name(), t.file()));
    this.architecture =
        switch (config.attention()) {
          case Latent latent -> Architectures.latent(latent);
          case Grouped _ -> family.orElseThrow().label();
          case Compressed _ -> GgufCompressedConfig.ARCHITECTURE;
        };
  }

  static GgufForm of(MappedCheckpoint checkpoint) {
    HfAsGguf made = new HfAsGguf(checkpoint);
    made.describe();
    made.model();
    for (int layer = 0; layer < made.layers; layer++) {
      made.layer(layer);
    }
    return new GgufForm(checkpoint, made.metadata, made.tensors, made.remarks);
  }

  // ---- metadata ---------------------------------------------------------------------------------

  private void put(String key, GgufValue value) {
    metadata.put(architecture + "." + key, value);
  }

  private void describe() {
    metadata.put("general.architecture", GgufValue.text(architecture));
    metadata.put("general.type", GgufValue.text("model"));
    metadata.put("general.name", GgufValue.text(config.name()));
    put("block_count", GgufValue.u32(layers));
    put("context_length", GgufValue.u32(config.contextLength()));
    put("embedding_length", GgufValue.u32(config.hiddenSize()));
    put("feed_forward_length", GgufValue.u32(config.denseWidth()));
    put("attention.head_count", GgufValue.u32(config.heads()));
    put("attention.layer_norm_rms_epsilon", GgufValue.f32(config.normEps()));
    put("rope.freq_base", GgufValue.f32(config.ropeTheta()));
    put("vocab_size", GgufValue.u32(config.vocabSize()));
    switch (config.attention()) {
      case Latent latent -> latent(latent);
      case Grouped grouped -> grouped(grouped);
      case Compressed compressed -> compressed(compressed);
    }
    if (config.gate().experts() > 0) {
      experts(config.gate());
    }
    if (layers > config.layers()) {
      put("nextn_predict_layers", GgufValue.u32(config.mtpLayers()));
    }
    scaling(
        config.attention() instanceof Compressed compressed
            ? compressed.compressed().scaling()
            : config.ropeScaling());
    sampling();
  }

  private void latent(Latent a) {
    // 0 for a plain attn_q: llama.cpp asks for the key but of models of V2-Lite's size
    put("attention.q_lora_rank", GgufValue.u32(a.qLoraRank()));
    put("attention.kv_lora_rank", GgufValue.u32(a.kvLoraRank()));
    put("rope.dimension_count", GgufValue.u32(a.rope()));
    metadata.putAll(latentLengths(architecture, a));
    a.indexer().ifPresent(this::indexer);
    if (a.normEps() != config.normEps()) {
      remarks.add(
          "the norms of q_a and kv_a have an eps of "
              + a.normEps()
              + " in the publisher's code; a GGUF has one for all, "
              + config.normEps());
    }
  }

  private void indexer(AttentionConfig.Indexer index) {
    String prefix = "attention.indexer.";
    put(prefix + "head_count", GgufValue.u32(index.heads()));
    put(prefix + "key_length", GgufValue.u32(index.head()));
    put(prefix + "top_k", GgufValue.u32(index.topK()));
    if (!index.shared().isEmpty()) {
      put(
          prefix + "types",
          GgufValue.bools(
              IntStream.range(0, config.layers())
                  .mapToObj(layer -> !index.shared().contains(layer))
                  .toList()));
    }
  }

  /** Lengths of heads as attention over the latents has them, and as the model does. */
  static Map<String, GgufValue> latentLengths(String architecture, Latent a) {
    String prefix = architecture + ".attention.";
    Map<String, GgufValue> keys = new LinkedHashMap<>();
    keys.put(prefix + "head_count_kv", GgufValue.u32(1));
    keys.put(prefix + "key_length", GgufValue.u32(a.cacheEntry()));
    keys.put(prefix + "value_length", GgufValue.u32(a.kvLoraRank()));
    keys.put(prefix + "key_length_mla", GgufValue.u32(a.query()));
    keys.put(prefix + "value_length_mla", GgufValue.u32(a.value()));
    return keys;
  }

  private void grouped(Grouped a) {
    put("attention.head_count_kv", GgufValue.u32(a.kvHeads()));
    put("attention.key_length", GgufValue.u32(a.head()));
    put("attention.value_length", GgufValue.u32(a.head()));
    put("rope.dimension_count", GgufValue.u32(a.head()));
  }

  private void compressed(Compressed a) {
    put("feed_forward_length", GgufValue.u32(config.expertWidth()));
    put("embedding_length_out", GgufValue.u32(config.stateSize()));
    put("rope.dimension_count", GgufValue.u32(a.rope()));
    put("attention.head_count_kv", GgufValue.u32(1));
    put("attention.key_length", GgufValue.u32(a.head()));
    put("attention.value_length", GgufValue.u32(a.head()));
    put("attention.q_lora_rank", GgufValue.u32(a.qLoraRank()));
    put("attention.output_group_count", GgufValue.u32(a.groups()));
    put("attention.output_lora_rank", GgufValue.u32(a.groupRank()));
    put("attention.sliding_window", GgufValue.u32(a.window()));
    int[] ratios = a.ratios().stream().mapToInt(Integer::intValue).toArray();
    put("attention.compress_ratios", GgufValue.integers(ratios));
    put("attention.compress_rope_freq_base", GgufValue.f32(a.compressed().theta()));
    put("attention.indexer.head_count", GgufValue.u32(a.indexer().heads()));
    put("attention.indexer.key_length", GgufValue.u32(a.indexer().head()));
    put("attention.indexer.top_k", GgufValue.u32(a.indexer().topK()));
    put("hash_layer_count", GgufValue.u32(config.hashLayers()));
    HyperConnections streams = config.hyperConnections().orElseThrow();
    put("hyper_connection.count", GgufValue.u32(streams.streams()));
    put("hyper_connection.sinkhorn_iterations", GgufValue.u32(streams.iterations()));
    put("hyper_connection.epsilon", GgufValue.f32(streams.eps()));
    if (config.swigluLimit() < DeepseekConfig.UNLIMITED) {
      List<Float> limits = Collections.nCopies(layers, config.swigluLimit());
      put("swiglu_clamp_exp", GgufValue.floats(limits));
      put("swiglu_clamp_shexp", GgufValue.floats(limits));
    }
    if (config.mtpLayers() > 0) {
      remarks.add(
          "llama.cpp has the MTP layer of a DeepSeek-V4 in a file of its own, which is not written");
    }
  }

  private void experts(GateRule gate) {
    if (!(config.attention() instanceof Compressed)) {
      put("leading_dense_block_count", GgufValue.u32(config.firstDense()));
    }
    put("expert_feed_forward_length", GgufValue.u32(config.expertWidth()));
    put("expert_count", GgufValue.u32(gate.experts()));
    put("expert_used_count", GgufValue.u32(gate.used()));
    put("expert_shared_count", GgufValue.u32(config.sharedExperts()));
    put("expert_weights_scale", GgufValue.f32(gate.scale()));
    put("expert_weights_norm", GgufValue.bool(gate.normalise()));
    if (family.isEmpty()) {
      if (gate.scoring() != GateRule.Scoring.SQRT_SOFTPLUS) {
        put("expert_group_count", GgufValue.u32(gate.groups()));
        put("expert_group_used_count", GgufValue.u32(gate.groupsUsed()));
      }
      put(
          "expert_gating_func",
          GgufValue.u32(
              switch (gate.scoring()) {
                case SOFTMAX -> GgufConfig.SOFTMAX;
                case SIGMOID -> GgufConfig.SIGMOID;
                case SQRT_SOFTPLUS -> GgufCompressedConfig.SQRT_SOFTPLUS;
              }));
    }
  }

  private void scaling(RopeScaling scaling) {
    switch (scaling) {
      case RopeScaling.None _ -> {
        if (config.gate().experts() > 0) {
          put("rope.scaling.type", GgufValue.text("none"));
        }
      }
      case RopeScaling.Linear(double by) -> {
        put("rope.scaling.type", GgufValue.text("linear"));
        put("rope.scaling.factor", GgufValue.f32(by));
      }
      case RopeScaling.Llama3 _, RopeScaling.Divisors _ -> tensors.add(divisors(scaling));
      case RopeScaling.Yarn yarn -> yarn(yarn);
    }
  }

  private void yarn(RopeScaling.Yarn yarn) {
    put("rope.scaling.type", GgufValue.text("yarn"));
    put("rope.scaling.factor", GgufValue.f32(yarn.by()));
    put("rope.scaling.original_context_length", GgufValue.u32(yarn.originalContext()));
    put("rope.scaling.yarn_beta_fast", GgufValue.f32(yarn.betaFast()));
    put("rope.scaling.yarn_beta_slow", GgufValue.f32(yarn.betaSlow()));
    if (family.isPresent()) {
      double own = 0.1 * Math.log(yarn.by()) + 1; // what readers multiply cos and sin by
      double attention = yarn.factor() / own;
      if (Math.abs(attention - 1) > 1e-6) {
        // llama.cpp's converter writes yarn_attn_factor, which llama.cpp does not read
        put("rope.scaling.attn_factor", GgufValue.f32(attention));
      }
      return;
    }
    boolean plain = yarn.mscale() == 1 && yarn.mscaleAllDim() == 0;
    if (!plain && yarn.mscale() != yarn.mscaleAllDim()) {
      throw new WeightException(
          checkpoint.path(),
          "rope_scaling.mscale",
          "mscale_all_dim's value " + yarn.mscaleAllDim() + ", as a GGUF has one for both",
          String.valueOf(yarn.mscale()),
          "run the folder as it is");
    }
    if (!plain) {
      double multiplier = LOG_MULTIPLIER * yarn.mscaleAllDim();
      put("rope.scaling.yarn_log_multiplier", GgufValue.f32(multiplier));
    }
  }

  private void sampling() {
    Checkpoint.GenerationDefaults d = checkpoint.generationDefaults();
    String prefix = "general.sampling.";
    d.topK().ifPresent(k -> metadata.put(prefix + "top_k", GgufValue.i32(k)));
    d.topP().ifPresent(p -> metadata.put(prefix + "top_p", GgufValue.f32(p)));
    d.minP().ifPresent(p -> metadata.put(prefix + "min_p", GgufValue.f32(p)));
    d.temperature().ifPresent(t -> metadata.put(prefix + "temp", GgufValue.f32(t)));
    d.repetitionPenalty().ifPresent(p -> metadata.put(prefix + "penalty_repeat", GgufValue.f32(p)));
  }

  // ---- tensors ----------------------------------------------------------------------------------

  private GgufTensor divisors(RopeScaling scaling) {
    int pairs = config.attention().rope() / 2;
    double[] ones = new double[pairs];
    for (int i = 0; i < pairs; i++) {
      ones[i] = Math.pow(config.ropeTheta(), -2.0 * i / config.attention().rope());
    }
    double[] scaled = scaling.frequencies(ones.clone(), config.ropeTheta());
    return new GgufTensor(
        GgufGroupedConfig.DIVISORS,
        List.of((long) pairs),
        Encoding.F32,
        -1,
        checkpoint.path(),
        1,
        (_, arena) -> {
          MemorySegment out = arena.allocate(4L * pairs, 4);
          for (int i = 0; i < pairs; i++) {
            float divisor = (float) (ones[i] / scaled[i]);
            out.setAtIndex(ValueLayout.JAVA_FLOAT, i, divisor);
          }
          return HostTensor.of(GgufGroupedConfig.DIVISORS, Encoding.F32, 1, pairs, out);
        });
  }

  private void model() {
    HostTensor embedding = checkpoint.tensor(Part.EMBED, 0);
    for (Part part : LayerParts.ofModel(config)) {
      HostTensor tensor = checkpoint.tensor(part, 0);
      if (part == Part.EMBED || !tensor.equals(embedding)) {
        add(part, -1, tensor);
      }
    }
  }

  private void layer(int layer) {
    Set<Part> parts = new TreeSet<>(LayerParts.required(config, layer));
    parts.addAll(LayerParts.optional(config, layer));
    for (Part part : parts) {
      PartOf key = new PartOf(part, layer);
      switch (part) {
        case KEY_UP, VALUE_UP -> {
          HostTensor kvB = checkpoint.bound().keyValueUps().get(layer);
          Path file = fileOf(kvB.name());
          Latent latent = (Latent) config.attention();
          tensors.add(KeyValueUp.heads(part, layer, kvB, latent, file));
        }
        case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
            experts(part, layer, checkpoint.bound().experts().get(key));
        default -> {
          HostTensor moved = checkpoint.bound().halves().get(key);
          if (moved != null) {
            halves(part, layer, moved);
          } else if (checkpoint.bound().tensors().containsKey(key)) {
            add(part, layer, checkpoint.bound().tensors().get(key));
          }
        }
      }
    }
  }

  private void add(Part part, int layer, HostTensor t) {
    String name = TensorNames.GGUF.of(part, layer).orElseThrow();
    tensors.add(GgufTensor.whole(name, layer, fileOf(t.name()), t));
  }

  /** Rows that rotate as pairs of halves: Qwen's stay so, others lie as pairs side by side. */
  private void halves(Part part, int layer, HostTensor t) {
    boolean stay =
        switch (config.attention()) {
          case Latent _, Compressed _ -> true; // those of an indexer, which alone lie so
          case Grouped _ -> family.orElseThrow().halvesInGguf();
        };
    if (stay) {
      add(part, layer, t);
      return;
    }
    String name = TensorNames.GGUF.of(part, layer).orElseThrow();
    GgufTensor plain = GgufTensor.whole(name, layer, fileOf(t.name()), t);
    tensors.add(
        new GgufTensor(
            name,
            plain.shape(),
            Halves.weight(new PartOf(part, layer), t, config).encoding(),
            layer,
            plain.file(),
            1,
            (_, arena) -> Halves.interleaved(t, config, arena)));
  }

  private void experts(Part part, int layer, List<MatrixSource> experts) {
    MatrixSource first = experts.getFirst();
    experts.stream()
        .filter(e -> !e.encoding().equals(first.encoding()))
        .findFirst()
        .ifPresent(
            other -> {
              throw new WeightException(
                  fileOf(other.name()),
                  "tensor " + other.name(),
                  first.encoding().label() + ", the type of the layer's first expert",
                  other.encoding().label(),
                  "use the weights as their publisher made them");
            });
    tensors.add(
        new GgufTensor(
            TensorNames.GGUF.of(part, layer).orElseThrow(),
            List.of((long) experts.size(), first.rows(), first.cols()),
            first.encoding(),
            layer,
            fileOf(first.name()),
            experts.size(),
            (i, arena) -> experts.get(i).matrix(arena)));
  }

  private Path fileOf(String tensor) {
    return files.getOrDefault(tensor, checkpoint.path());
  }
}
