package dev.yuzui.engine.plan;

import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.Weight;
import dev.yuzui.weights.Part;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/** Bytes of a checkpoint's weights as a device takes them, by what they are for. */
final class DeviceWeights {
  private static final Set<Part> ROUTED =
      EnumSet.of(Part.EXPERT_GATE, Part.EXPERT_UP, Part.EXPERT_DOWN);

  /** What stands behind the last layer. */
  private static final Set<Part> HEAD =
      EnumSet.of(
          Part.FINAL_NORM, Part.HEAD, Part.HC_HEAD_FN, Part.HC_HEAD_BASE, Part.HC_HEAD_SCALE);

  /** Bytes of {@code count} matrices that are uploaded together. */
  interface Size {
    long bytes(Encoding encoding, long rows, long cols, int count);
  }

  private final List<Weight> weights;
  private final int mainLayers;
  private final Size size;

  DeviceWeights(Checkpoint checkpoint, Size size) {
    this.weights = checkpoint.weights();
    this.mainLayers = checkpoint.config().layers();
    this.size = size;
  }

  /** As they are stored. */
  static DeviceWeights stored(Checkpoint checkpoint) {
    return new DeviceWeights(
        checkpoint,
        (encoding, rows, cols, count) ->
            count
                * (encoding.byteSize(rows, cols)
                    + (encoding instanceof Encoding.Fp8Tiled t
                        ? 4 * t.scaleCount(rows, cols)
                        : 0)));
  }

  private long sum(Predicate<Weight> of) {
    return weights.stream().filter(of).mapToLong(w -> bytes(w, w.count())).sum();
  }

  private long bytes(Weight w, int count) {
    return count == 0 ? 0 : size.bytes(w.encoding(), w.rows(), w.cols(), count);
  }

  /** Everything of a layer but its routed experts. */
  long dense(int layer) {
    return sum(
        w ->
            w.layer() == layer
                && !ROUTED.contains(w.part())
                && w.part() != Part.EMBED
                && !HEAD.contains(w.part()));
  }

  /** {@code count} routed experts of a layer. */
  long experts(int layer, int count) {
    return weights.stream()
        .filter(w -> w.layer() == layer && ROUTED.contains(w.part()))
        .mapToLong(w -> bytes(w, count))
        .sum();
  }

  /** One more routed expert of a layer, where all {@code of} it has were held together. */
  long expert(int layer, int of) {
    return Math.ceilDiv(experts(layer, of), of);
  }

  long embedding() {
    return sum(w -> w.part() == Part.EMBED);
  }

  /** The head and what is before it; the embedding again where that is the head. */
  long head() {
    return sum(w -> HEAD.contains(w.part())) + (tied() ? embedding() : 0);
  }

  private boolean tied() {
    return weights.stream().noneMatch(w -> w.part() == Part.HEAD);
  }

  private boolean borrowsEmbedding(int layer) {
    return layer >= mainLayers
        && weights.stream().noneMatch(w -> w.layer() == layer && w.part() == Part.MTP_EMBED);
  }

  /** All that {@code plan} puts on a device. */
  long on(int device, DevicePlan plan) {
    Set<Integer> layers = new TreeSet<>();
    boolean embedding = false;
    boolean head = false;
    for (List<Integer> rank : plan.ranks()) {
      boolean first = rank.getFirst() == device;
      boolean last = rank.get(mainLayers - 1) == device;
      head |= last;
      embedding |= first || last && tied();
      for (int layer = 0; layer < rank.size(); layer++) {
        if (rank.get(layer) == device) {
          layers.add(layer);
          embedding |= borrowsEmbedding(layer);
        }
      }
    }
    long bytes = layers.stream().mapToLong(this::dense).sum();
    bytes += embedding ? embedding() : 0;
    bytes += head ? sum(w -> HEAD.contains(w.part())) : 0;
    for (int layer = 0; layer < plan.experts().size(); layer++) {
      int at = layer;
      bytes +=
          plan.experts()
              .get(layer)
              .map(p -> experts(at, p.devices().get(device).size()))
              .orElse(0L);
    }
    return bytes;
  }
}
