package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Scalar;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
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

  /** The parts of a checkpoint, all as {@link Part} describes them. */
  record Bound(
      Map<PartOf, HostTensor> tensors,
      Map<PartOf, List<HostTensor>> experts,
      Map<Integer, HostTensor> keyValueUps) {}

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
  private final Map<String, RawTensor> raw;
  private final Set<String> used = new HashSet<>();
  private final Bound bound = new Bound(new HashMap<>(), new HashMap<>(), new HashMap<>());

  private TensorBinder(
      Path path, TensorNames names, DeepseekConfig config, Map<String, RawTensor> raw) {
    this.path = path;
    this.names = names;
    this.config = config;
    this.raw = raw;
  }

  /**
   * @param raw all tensors by name
   * @param tied whether a missing head means the embedding
   */
  static Bound bind(
      Path path,
      TensorNames names,
      DeepseekConfig config,
      boolean tied,
      Map<String, RawTensor> raw) {
    TensorBinder binder = new TensorBinder(path, names, config, raw);
    binder.model(tied);
    for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
      binder.layer(layer);
    }
    binder.refuseUnused();
    return binder.bound;
  }

  private void model(boolean tied) {
    HostTensor embedding = require(Part.EMBED, 0);
    require(Part.FINAL_NORM, 0);
    if (find(Part.HEAD, 0).isEmpty()) {
      if (!tied) {
        throw missing(names.of(Part.HEAD, 0).orElseThrow());
      }
      bound.tensors.put(new PartOf(Part.HEAD, 0), embedding);
    }
  }

  private void layer(int layer) {
    for (Part part : LayerParts.required(config, layer)) {
      switch (part) {
        case KEY_UP, VALUE_UP -> {} // together, below
        case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
            bound.experts.put(new PartOf(part, layer), experts(part, layer));
        default -> require(part, layer);
      }
    }
    for (Part part : LayerParts.optional(config, layer)) {
      find(part, layer);
    }
    keyValueUp(layer);
  }

  /** Newer files have the two halves, older ones and Hugging Face kv_b, some all three. */
  private void keyValueUp(int layer) {
    boolean key = find(Part.KEY_UP, layer).isPresent();
    boolean value = find(Part.VALUE_UP, layer).isPresent();
    String whole = names.keyValueUp(layer);
    PartShape shape = PartShape.keyValueUp(config);
    Optional<HostTensor> both =
        take(whole).map(t -> matrix(t, shape.rows(), shape.cols(), Optional.empty()));
    if (!key || !value) {
      bound.keyValueUps.put(layer, both.orElseThrow(() -> missing(whole)));
    }
  }

  private HostTensor require(Part part, int layer) {
    return find(part, layer).orElseThrow(() -> missing(names.of(part, layer).orElseThrow()));
  }

  private Optional<HostTensor> find(Part part, int layer) {
    Optional<RawTensor> found = names.of(part, layer).flatMap(this::take);
    found.ifPresent(
        t -> {
          PartShape shape = PartShape.of(part, config);
          bound.tensors.put(
              new PartOf(part, layer), matrix(t, shape.rows(), shape.cols(), Optional.of(part)));
        });
    return found.map(_ -> bound.tensors.get(new PartOf(part, layer)));
  }

  private List<HostTensor> experts(Part part, int layer) {
    PartShape shape = PartShape.of(part, config);
    int n = config.gate().experts();
    if (names == TensorNames.HUGGING_FACE) {
      List<HostTensor> out = new ArrayList<>(n);
      for (int e = 0; e < n; e++) {
        String name = names.ofExpert(part, layer, e);
        RawTensor t = take(name).orElseThrow(() -> missing(name));
        out.add(matrix(t, shape.rows(), shape.cols(), Optional.of(part)));
      }
      return List.copyOf(out);
    }
    String name = names.of(part, layer).orElseThrow();
    Optional<RawTensor> own = take(name);
    if (own.isPresent() || part == Part.EXPERT_DOWN) {
      return slices(own.orElseThrow(() -> missing(name)), shape, shape.rows(), 0);
    }
    RawTensor fused = names.fusedGateUp(layer).flatMap(this::take).orElseThrow(() -> missing(name));
    return slices(fused, shape, 2 * shape.rows(), part == Part.EXPERT_UP ? shape.rows() : 0);
  }

  /** Expert e's rows [e·stride + from, … + shape.rows) of a stacked tensor [E, stride, cols]. */
  private List<HostTensor> slices(RawTensor t, PartShape shape, long stride, long from) {
    int n = config.gate().experts();
    if (!t.shape().equals(List.of((long) n, stride, shape.cols()))) {
      throw wrongShape(t, "[" + n + ", " + stride + ", " + shape.cols() + "]");
    }
    Encoding encoding = encoding(t, Optional.empty());
    long row = encoding.rowBytes(shape.cols());
    List<HostTensor> out = new ArrayList<>(n);
    for (int e = 0; e < n; e++) {
      MemorySegment data = t.data().asSlice((e * stride + from) * row, shape.rows() * row);
      String name = t.name() + "[" + e + "]";
      out.add(HostTensor.of(name, encoding, shape.rows(), shape.cols(), data));
    }
    return List.copyOf(out);
  }

  private HostTensor matrix(RawTensor t, long rows, long cols, Optional<Part> part) {
    boolean vector = rows == 1 && t.shape().equals(List.of(cols));
    boolean matrix = t.shape().equals(List.of(rows, cols));
    boolean heads =
        names == TensorNames.GGUF
            && part.filter(p -> p == Part.KEY_UP || p == Part.VALUE_UP).isPresent()
            && t.shape().equals(List.of((long) config.heads(), rows / config.heads(), cols));
    if (!vector && !matrix && !heads) {
      throw wrongShape(t, rows == 1 ? "[" + cols + "]" : "[" + rows + ", " + cols + "]");
    }
    Encoding encoding = encoding(t, part);
    return new HostTensor(
        t.name(), encoding, rows, cols, t.data(), scales(t, encoding, rows, cols));
  }

  private Encoding encoding(RawTensor t, Optional<Part> part) {
    boolean vector = part.filter(p -> PartShape.of(p, config).rows() == 1).isPresent();
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
                "use the publisher's BF16 or FP8 weights, or a GGUF of a supported type"));
  }

  /** Their values are not looked at: V3's 45,000 grids lie all over 690 GB. */
  private Optional<MemorySegment> scales(RawTensor t, Encoding encoding, long rows, long cols) {
    if (!(encoding instanceof Encoding.Fp8Tiled tiled)) {
      return Optional.empty();
    }
    String name = t.name() + SCALES;
    RawTensor scales = take(name).orElseThrow(() -> missing(name));
    List<Long> grid = List.of(Math.ceilDiv(rows, tiled.tile()), Math.ceilDiv(cols, tiled.tile()));
    if (!scales.shape().equals(grid)) {
      throw wrongShape(scales, grid + ", one scale for each tile of 128 × 128");
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
