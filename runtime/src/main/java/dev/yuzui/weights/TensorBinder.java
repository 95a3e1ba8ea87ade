package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Scalar;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Finds every part of the model among the tensors of a checkpoint and holds its shape and type
 * against the configuration. A tensor that nothing asked for is refused too: computing without it
 * would give other text than its publisher's.
 */
final class TensorBinder {
  private static final String SCALES = "_scale_inv";

  /** What stands in place of a {@code .weight} where integers of few bits are packed into words. */
  private static final Map<String, String> PACKED =
      Map.of(".qweight", "AWQ's or GPTQ's", ".weight_packed", "compressed-tensors'");

  /**
   * The parts of a checkpoint, as {@link Part} describes them but for those that are made of
   * others.
   *
   * @param halves parts whose rows lie as {@link Halves} finds them
   * @param experts as they lie in the file: some are made when they are wanted
   * @param keyValueUps kv_b of a layer, where its halves are not there
   * @param projections {@link Part#MTP_PROJ} of a layer, where what is asked for are its halves
   */
  record Bound(
      Map<PartOf, HostTensor> tensors,
      Map<PartOf, HostTensor> halves,
      Map<PartOf, List<MatrixSource>> experts,
      Map<Integer, HostTensor> keyValueUps,
      Map<Integer, HostTensor> projections) {

    /** Matrices of the file, apart from experts and kv_b. */
    Map<PartOf, HostTensor> stored() {
      Map<PartOf, HostTensor> all = new HashMap<>(tensors);
      all.putAll(halves);
      return all;
    }
  }

  /**
   * @param layer 0 for parts of the whole model
   */
  record PartOf(Part part, int layer) {
    static final Comparator<PartOf> ORDER =
        Comparator.comparing(PartOf::part).thenComparing(PartOf::layer);

    PartOf {
      layer = LayerParts.WHOLE_MODEL.contains(part) ? 0 : layer;
    }
  }

  private final Path path;
  private final TensorNames names;
  private final DeepseekConfig config;
  private final Set<Part> halves;
  private final Map<String, RawTensor> raw;
  private final Arena arena;
  private final Set<String> used = new HashSet<>();
  private final Bound bound =
      new Bound(
          new HashMap<>(), new HashMap<>(), new HashMap<>(), new HashMap<>(), new HashMap<>());

  private TensorBinder(
      Path path,
      TensorNames names,
      DeepseekConfig config,
      Set<Part> halves,
      Map<String, RawTensor> raw,
      Arena arena) {
    this.path = path;
    this.names = names;
    this.config = config;
    this.halves = halves;
    this.raw = new LinkedHashMap<>(raw);
    this.arena = arena;
  }

  /**
   * @param raw all tensors by name
   * @param tied whether a missing head means the embedding
   * @param halves parts whose rows lie as {@link Halves} finds them
   * @param arena for weights that must be put into another order to be read
   */
  static Bound bind(
      Path path,
      TensorNames names,
      DeepseekConfig config,
      boolean tied,
      Set<Part> halves,
      Map<String, RawTensor> raw,
      Arena arena) {
    TensorBinder binder = new TensorBinder(path, names, config, halves, raw, arena);
    binder.model(tied);
    for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
      binder.layer(layer);
    }
    binder.refuseUnused();
    return binder.bound;
  }

  private void model(boolean tied) {
    for (Part part : LayerParts.ofModel(config)) {
      if (part == Part.HEAD && tied && find(part, 0).isEmpty()) {
        HostTensor embedding = bound.tensors.get(new PartOf(Part.EMBED, 0));
        bound.tensors.put(new PartOf(part, 0), embedding);
      } else if (part != Part.HEAD || !tied) {
        require(part, 0);
      }
    }
  }

  private void layer(int layer) {
    if (config.attention() instanceof AttentionConfig.Grouped grouped) {
      splitFused(grouped, layer, "weight");
      splitFused(grouped, layer, "bias");
    }
    for (Part part : LayerParts.required(config, layer)) {
      switch (part) {
        case KEY_UP, VALUE_UP -> {} // together, below
        case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN -> experts(part, layer);
        case ROUTER_TABLE -> bound.tensors.put(new PartOf(part, layer), table(part, layer));
        case MTP_PROJ_EMBED, MTP_PROJ_HIDDEN -> projection(part, layer);
        default -> require(part, layer);
      }
    }
    for (Part part : LayerParts.optional(config, layer)) {
      find(part, layer);
    }
    if (config.attention() instanceof AttentionConfig.Latent latent) {
      keyValueUp(latent, layer);
    }
  }

  /** Some files have queries, keys and values under each other in one tensor. */
  private void splitFused(AttentionConfig.Grouped a, int layer, String kind) {
    RawTensor fused = raw.get(names.layerPrefix(layer, config) + "attn_qkv." + kind);
    long rows = (a.heads() + 2L * a.kvHeads()) * a.head();
    if (fused == null || fused.encoding().isEmpty()) {
      return;
    }
    if (fused.shape().getFirst() != rows) {
      throw wrongShape(fused, "of " + rows + " rows");
    }
    raw.remove(fused.name());
    long rowBytes = fused.data().byteSize() / rows;
    long from = 0;
    boolean bias = kind.equals("bias");
    for (Part part :
        bias ? List.of(Part.Q_BIAS, Part.K_BIAS, Part.V_BIAS) : List.of(Part.Q, Part.K, Part.V)) {
      PartShape shape = PartShape.of(part, layer, config);
      long count = bias ? shape.cols() : shape.rows();
      List<Long> lengths = new ArrayList<>(fused.shape());
      lengths.set(0, count);
      String name = name(part, layer);
      MemorySegment data = fused.data().asSlice(from * rowBytes, count * rowBytes);
      raw.put(
          name, new RawTensor(name, fused.type(), fused.encoding(), lengths, data, fused.file()));
      from += count;
    }
  }

  /** Newer files have the two halves, older ones and Hugging Face kv_b, some all three. */
  private void keyValueUp(AttentionConfig.Latent latent, int layer) {
    boolean key = find(Part.KEY_UP, layer).isPresent();
    boolean value = find(Part.VALUE_UP, layer).isPresent();
    String whole = names.keyValueUp(layer);
    PartShape shape = PartShape.keyValueUp(latent);
    Optional<HostTensor> both =
        take(whole).map(t -> matrix(t, shape.rows(), shape.cols(), Optional.empty()));
    if (!key || !value) {
      bound.keyValueUps.put(layer, both.orElseThrow(() -> missing(whole)));
    }
  }

  /** Two tensors, or as llama.cpp has them one. */
  private void projection(Part part, int layer) {
    Optional<String> whole = names.of(Part.MTP_PROJ, layer, config);
    if (whole.isEmpty() || find(part, layer).isPresent()) {
      require(part, layer);
    } else if (!bound.projections.containsKey(layer)) {
      PartShape shape = PartShape.of(Part.MTP_PROJ, layer, config);
      RawTensor t = take(whole.get()).orElseThrow(() -> missing(whole.get()));
      bound.projections.put(layer, matrix(t, shape.rows(), shape.cols(), Optional.empty()));
    }
  }

  /** Experts' numbers, of which each is looked at: they are indices. */
  private HostTensor table(Part part, int layer) {
    String name = name(part, layer);
    RawTensor t = take(name).orElseThrow(() -> missing(name));
    PartShape shape = PartShape.of(part, layer, config);
    if (!t.shape().equals(List.of(shape.rows(), shape.cols()))) {
      throw wrongShape(t, "[" + shape.rows() + ", " + shape.cols() + "]");
    }
    return ExpertTable.of(t, config.gate().experts(), arena);
  }

  private String name(Part part, int layer) {
    return names.of(part, layer, config).orElseThrow();
  }

  private HostTensor require(Part part, int layer) {
    return find(part, layer).orElseThrow(() -> missing(name(part, layer)));
  }

  private Optional<HostTensor> find(Part part, int layer) {
    Optional<RawTensor> found = names.of(part, layer, config).flatMap(this::take);
    return found.map(
        t -> {
          PartShape shape = PartShape.of(part, layer, config);
          HostTensor host = matrix(t, shape.rows(), shape.cols(), Optional.of(part));
          boolean moved = halves.contains(part);
          (moved ? bound.halves : bound.tensors).put(new PartOf(part, layer), host);
          return host;
        });
  }

  private void experts(Part part, int layer) {
    PartOf key = new PartOf(part, layer);
    PartShape shape = PartShape.of(part, layer, config);
    if (names == TensorNames.GGUF) {
      bound.experts.put(key, stacked(part, layer, shape));
      return;
    }
    List<RawTensor> all = new ArrayList<>();
    for (int e = 0; e < config.gate().experts(); e++) {
      String name = names.ofExpert(part, layer, e, config);
      all.add(take(name).orElseThrow(() -> missing(name)));
    }
    bound.experts.put(
        key,
        all.stream().map(t -> source(t, shape.rows(), shape.cols(), Optional.of(part))).toList());
  }

  private List<MatrixSource> stacked(Part part, int layer, PartShape shape) {
    String name = name(part, layer);
    Optional<RawTensor> own = take(name);
    if (own.isPresent() || part == Part.EXPERT_DOWN) {
      return slices(own.orElseThrow(() -> missing(name)), shape, shape.rows(), 0);
    }
    RawTensor fused = names.fusedGateUp(layer).flatMap(this::take).orElseThrow(() -> missing(name));
    return slices(fused, shape, 2 * shape.rows(), part == Part.EXPERT_UP ? shape.rows() : 0);
  }

  /** Expert e's rows [e·stride + from, … + shape.rows) of a stacked tensor [E, stride, cols]. */
  private List<MatrixSource> slices(RawTensor t, PartShape shape, long stride, long from) {
    int n = config.gate().experts();
    if (!t.shape().equals(List.of((long) n, stride, shape.cols()))) {
      throw wrongShape(t, "[" + n + ", " + stride + ", " + shape.cols() + "]");
    }
    Encoding encoding = encoding(t, false);
    long row = encoding.rowBytes(shape.cols());
    List<MatrixSource> out = new ArrayList<>(n);
    for (int e = 0; e < n; e++) {
      MemorySegment data = t.data().asSlice((e * stride + from) * row, shape.rows() * row);
      String name = t.name() + "[" + e + "]";
      HostTensor expert = HostTensor.of(name, encoding, shape.rows(), shape.cols(), data);
      out.add(new MatrixSource.Mapped(expert));
    }
    return List.copyOf(out);
  }

  /** Of pairs of float4 that are no experts', which nobody publishes, the blocks are made here. */
  private HostTensor matrix(RawTensor t, long rows, long cols, Optional<Part> part) {
    return source(t, rows, cols, part).matrix(arena);
  }

  private MatrixSource source(RawTensor t, long rows, long cols, Optional<Part> part) {
    if (t.type().equals("I8") && (powers(t).isPresent() || names == TensorNames.DEEPSEEK_V4)) {
      return pairs(t, rows, cols);
    }
    boolean vector = rows == 1 && t.shape().equals(List.of(cols));
    boolean matrix = t.shape().equals(List.of(rows, cols));
    boolean heads =
        names == TensorNames.GGUF
            && part.filter(p -> p == Part.KEY_UP || p == Part.VALUE_UP).isPresent()
            && t.shape().equals(List.of((long) config.heads(), rows / config.heads(), cols));
    if (!vector && !matrix && !heads) {
      throw wrongShape(t, rows == 1 ? "[" + cols + "]" : "[" + rows + ", " + cols + "]");
    }
    Encoding encoding = encoding(t, part.isPresent() && rows == 1);
    return new MatrixSource.Mapped(
        new HostTensor(t.name(), encoding, rows, cols, t.data(), scales(t, encoding, rows, cols)));
  }

  /** The float8_e8m0 scales of {@code x.weight}, if a Hugging Face folder has {@code x.scale}. */
  private Optional<RawTensor> powers(RawTensor t) {
    return Optional.ofNullable(raw.get(scale(t)))
        .filter(s -> names != TensorNames.GGUF && s.type().equals("F8_E8M0"));
  }

  private static String scale(RawTensor t) {
    return t.name().replaceFirst("\\.weight$", ".scale");
  }

  private Fp4Pairs pairs(RawTensor t, long rows, long cols) {
    RawTensor powers = powers(t).orElseThrow(() -> missing(scale(t)));
    used.add(powers.name());
    if (!t.shape().equals(List.of(rows, cols / 2)) || cols % Fp4Pairs.GROUP != 0) {
      throw wrongShape(t, "[" + rows + ", " + cols + " / 2], two float4 a byte,");
    }
    if (!powers.shape().equals(List.of(rows, cols / Fp4Pairs.GROUP))) {
      throw wrongShape(powers, "[" + rows + ", " + cols + " / 32], one power for 32 float4,");
    }
    return new Fp4Pairs(t.name(), t.data(), powers.data(), rows, cols);
  }

  private Encoding encoding(RawTensor t, boolean vector) {
    Optional<Encoding> encoding =
        t.encoding()
            .filter(
                e ->
                    switch (e) {
                      case Encoding.Plain(Scalar s) -> s != Scalar.I32;
                      default -> !vector;
                    });
    return encoding.orElseThrow(
        () ->
            new WeightException(
                t.file(),
                "tensor " + t.name(),
                vector ? "type F32, F16 or BF16" : "a type weights can have",
                t.type(),
                "use the publisher's BF16 or FP8 weights, or a GGUF of a supported type, such as Q4_K_M"));
  }

  /** Their values are not looked at: V3's 45,000 grids lie all over 690 GB. */
  private Optional<MemorySegment> scales(RawTensor t, Encoding encoding, long rows, long cols) {
    if (!(encoding instanceof Encoding.Fp8Tiled tiled)) {
      return Optional.empty();
    }
    String name = powers(t).map(RawTensor::name).orElse(t.name() + SCALES);
    RawTensor scales = take(name).orElseThrow(() -> missing(name));
    List<Long> grid = List.of(Math.ceilDiv(rows, tiled.tile()), Math.ceilDiv(cols, tiled.tile()));
    if (!scales.shape().equals(grid)) {
      throw wrongShape(scales, grid + ", one scale for each tile of 128 × 128");
    }
    if (powers(t).isPresent()) {
      return Optional.of(Fp4Pairs.floats(scales.data(), arena));
    }
    if (!scales.encoding().equals(Optional.of(Encoding.F32))) {
      throw new WeightException(
          scales.file(),
          "tensor " + name,
          "type F32",
          scales.type(),
          "use the weights as their publisher made them");
    }
    return Optional.of(scales.data());
  }

  private Optional<RawTensor> take(String name) {
    Optional<RawTensor> tensor = Optional.ofNullable(raw.get(name));
    tensor.ifPresent(_ -> used.add(name));
    return tensor;
  }

  private void refuseUnused() {
    for (RawTensor t : raw.values()) {
      if (!used.contains(t.name()) && !names.ignores(t.name())) {
        if (names == TensorNames.GGUF && t.name().endsWith("scale")) {
          throw new WeightException(
              t.file(),
              "tensor " + t.name(),
              "scales within blocks alone",
              "one for a whole tensor, as converters of NVIDIA's NVFP4 checkpoints write it",
              "use a file of another type, such as MXFP4 or Q4_K_M");
        }
        throw new WeightException(
            t.file(),
            "tensor " + t.name(),
            "only tensors of the model that the configuration describes ("
                + config.layers()
                + " layers, "
                + config.mtpLayers()
                + " MTP layers)",
            "this one",
            "check that configuration and weights belong together, and that the model is a"
                + " supported one");
      }
    }
  }

  private WeightException missing(String name) {
    String stem = name.replaceFirst("\\.weight$", "");
    for (Map.Entry<String, String> packed : PACKED.entrySet()) {
      RawTensor t = raw.get(stem + packed.getKey());
      if (t != null) {
        return new WeightException(
            t.file(),
            "tensor " + t.name(),
            name + " in BF16, F16, F32 or FP8",
            packed.getValue() + " packed words, " + t.type(),
            "use the publisher's BF16 or FP8 weights, or a GGUF of a few bits (Q4_K_M, IQ4_XS)");
      }
    }
    return new WeightException(
        path,
        "tensor " + name,
        "it among the checkpoint's tensors",
        "no such tensor",
        "check that all parts are there and the configuration belongs to them");
  }

  private static WeightException wrongShape(RawTensor t, String expected) {
    return new WeightException(
        t.file(),
        "tensor " + t.name(),
        "shape " + expected + " by the configuration",
        "shape " + t.shape(),
        "check that configuration and weights belong together");
  }
}
