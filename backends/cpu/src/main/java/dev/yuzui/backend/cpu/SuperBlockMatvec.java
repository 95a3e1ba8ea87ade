package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.I;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.shl;
import static dev.yuzui.backend.cpu.Lanes.shr;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.u8;
import static dev.yuzui.backend.cpu.Lanes.zero;

import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * Rows of 256-element blocks times one vector, for 16 lanes, in a single pass: memory is read in
 * order, as the processor's prefetching wants it, and a block's scales stay in one register, whose
 * lanes are broadcast in turn. A row's lanes are left at {@code partial}, 64 bytes a row.
 *
 * <p>Weights are read by vector loads alone: a scalar read has a range check, for which C2 builds a
 * nest of loops that costs more than the loop.
 */
final class SuperBlockMatvec {
  /** Lane i to all lanes. */
  private static final VectorShuffle<Float>[] LANE = lanes();

  private SuperBlockMatvec() {}

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static VectorShuffle<Float>[] lanes() {
    List<VectorShuffle<Float>> all =
        IntStream.range(0, 16)
            .mapToObj(lane -> VectorShuffle.fromOp(Lanes.F, i -> lane % Lanes.L))
            .toList();
    return all.toArray(new VectorShuffle[0]);
  }

  /** {@code sums}: eight zeros, which meet the scales, and eight sums of 32 elements a block. */
  static void q4k(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    IntVector nibble = IntVector.broadcast(I, 15);
    for (int r = 0; r < rows; r++) {
      FloatVector first = zero();
      FloatVector second = zero();
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 144L;
        FloatVector scale = k4Scales(b);
        first = scale.fma(f32(sums + block * 64L), first);
        for (int p = 0; p < 4; p++) {
          FloatVector low = scale.rearrange(LANE[2 * p]);
          FloatVector high = scale.rearrange(LANE[2 * p + 1]);
          long q = b + 16 + p * 32L;
          long at = x + block * 1024L + p * 256L;
          for (int h = 0; h < 2; h++) {
            // elements 64·p + 16·h + lane and 32 more
            IntVector v = u8(q + h * 16L);
            FloatVector s = toFloat(v.and(nibble)).mul(f32(at + h * 64L));
            first = s.fma(low, first);
            s = toFloat(shr(v, 4)).mul(f32(at + h * 64L + 128));
            second = s.fma(high, second);
          }
        }
      }
      store(first.add(second), partial + 64L * r);
      w += stride;
    }
  }

  /** Eight scales times d and eight minima times −dmin. */
  private static FloatVector k4Scales(long b) {
    IntVector words = SuperBlocks.k4Words(b);
    int halves = words.lane(0);
    FloatVector codes =
        toFloat(
            (IntVector)
                SuperBlocks.k4Packed(words)
                    .reinterpretAsBytes()
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0));
    return codes.mul(
        Lanes.all(Float.float16ToFloat((short) halves))
            .blend(-Float.float16ToFloat((short) (halves >>> 16)), Lanes.UPPER));
  }

  /** {@code sums}: sixteen sums of 16 elements a block. */
  static void q6k(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    IntVector nibble = IntVector.broadcast(I, 15);
    IntVector pair = IntVector.broadcast(I, 48);
    for (int r = 0; r < rows; r++) {
      FloatVector first = zero();
      FloatVector second = zero();
      FloatVector offsets = zero();
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 210L;
        FloatVector scale = q6kScales(b);
        offsets = scale.fma(f32(sums + block * 64L), offsets);
        for (int i = 0; i < 8; i++) {
          // elements 128·n + 16·j + lane and 64 more, with i = 4·n + j
          int n = i >> 2;
          long at = x + block * 1024L + n * 256L + i * 64L;
          IntVector low = u8(b + i * 16L);
          IntVector high = shr(u8(b + 128 + n * 32L + (i & 1) * 16L), i & 2);
          FloatVector q = toFloat(low.and(nibble).or(shl(high, 4).and(pair)));
          first = q.mul(f32(at)).fma(scale.rearrange(LANE[4 * n + i]), first);
          q = toFloat(shr(low, 4).or(high.and(pair)));
          second = q.mul(f32(at + 256)).fma(scale.rearrange(LANE[4 * n + i + 4]), second);
        }
      }
      store(offsets.mul(-32).add(first).add(second), partial + 64L * r);
      w += stride;
    }
  }

  /** Sixteen scales times d; the last word that ends with the block ends with d. */
  private static FloatVector q6kScales(long b) {
    int last = SuperBlocks.k4Words(b + 194).lane(3);
    return toFloat(Lanes.i8(b + 192)).mul(Float.float16ToFloat((short) (last >>> 16)));
  }
}
