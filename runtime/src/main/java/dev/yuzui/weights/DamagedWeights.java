package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Scalar;
import dev.yuzui.weights.Checkpoint.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Looks for weights that are NaN or infinite, which a damaged file may hold and a publisher's never
 * does. It reads all of the file, so it is for when logits have turned out to be no numbers.
 */
public final class DamagedWeights {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private DamagedWeights() {}

  /** The name of the first tensor with such a weight, by layers. */
  public static Optional<String> first(Checkpoint checkpoint) {
    return checkpoint.weights().stream()
        .sorted(Comparator.comparingInt(Weight::layer))
        .flatMap(weight -> damaged(checkpoint, weight))
        .findFirst();
  }

  private static Stream<String> damaged(Checkpoint checkpoint, Weight weight) {
    return switch (weight.part()) {
      case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
          IntStream.range(0, weight.count())
              .boxed()
              .flatMap(expert -> damagedExpert(checkpoint, weight, expert).stream());
      default ->
          Stream.of(checkpoint.tensor(weight.part(), weight.layer()))
              .filter(DamagedWeights::isDamaged)
              .map(HostTensor::name);
    };
  }

  /** One at a time: they may be made for it. */
  private static Optional<String> damagedExpert(Checkpoint checkpoint, Weight weight, int expert) {
    try (Arena passing = Arena.ofShared()) {
      List<HostTensor> all = checkpoint.experts(weight.part(), weight.layer(), passing);
      return Optional.of(all.get(expert)).filter(DamagedWeights::isDamaged).map(HostTensor::name);
    }
  }

  /** The codes of blocks are whole numbers: only their scales can be none. */
  static boolean isDamaged(HostTensor tensor) {
    MemorySegment data = tensor.data();
    return switch (tensor.encoding()) {
      case Encoding.Plain(Scalar scalar) -> plain(scalar, data);
      case Encoding.Fp8Tiled _ ->
          plain(Scalar.E4M3, data)
              || tensor.scales().filter(scales -> plain(Scalar.F32, scales)).isPresent();
      case Encoding.Block block ->
          block.scales().stream()
              .anyMatch(s -> any(data, block.blockBytes(), b -> !s.isNumber(data, b)));
    };
  }

  private static boolean plain(Scalar scalar, MemorySegment data) {
    return switch (scalar) {
      case F32 -> any(data, 4, b -> (data.get(INT, b) & 0x7f80_0000) == 0x7f80_0000);
      case F16 -> any(data, 2, b -> isNoHalf(data, b));
      case BF16 -> any(data, 2, b -> (data.get(SHORT, b) & 0x7f80) == 0x7f80);
      case E4M3 -> any(data, 1, b -> (data.get(ValueLayout.JAVA_BYTE, b) & 0x7f) == 0x7f);
      case I32 -> false;
    };
  }

  private static boolean any(MemorySegment data, int step, LongPredicate damaged) {
    return LongStream.range(0, data.byteSize() / step)
        .parallel()
        .anyMatch(i -> damaged.test(i * step));
  }

  private static boolean isNoHalf(MemorySegment data, long at) {
    return (data.get(SHORT, at) & 0x7c00) == 0x7c00;
  }
}
