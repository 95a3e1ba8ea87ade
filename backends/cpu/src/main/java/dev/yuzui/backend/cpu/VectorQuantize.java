package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.F;
import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Memory.ALL;
import static dev.yuzui.backend.cpu.Memory.LE;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** Activations to codes of eight bits, for {@link VectorStrips}. */
final class VectorQuantize {
  private VectorQuantize() {}

  /**
   * Codes between −127 and 127 as shorts, and the scale of each 32 columns, those of whole blocks
   * of 32 or 256.
   */
  static void quantize(long x, int cols, int block, long codes, long scales) {
    for (int c = 0; c < cols; c += block) {
      FloatVector most = FloatVector.zero(F);
      for (int i = c; i < c + block; i += L) {
        most = most.max(FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).abs());
      }
      float top = most.reduceLanes(VectorOperators.MAX);
      FloatVector by = FloatVector.broadcast(F, top > 0 ? 127 / top : 0);
      for (int i = c; i < c + block; i += L) {
        // adding 1.5·2²³ rounds to the nearest integer, which is then in the low bits
        FloatVector v = FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE);
        IntVector q = v.fma(by, FloatVector.broadcast(F, 0x1.8p23f)).reinterpretAsInts();
        ((ShortVector) q.convertShape(VectorOperators.I2S, Lanes.S, 0))
            .intoMemorySegment(ALL, codes + 2L * i, LE);
      }
      for (int i = c; i < c + block; i += 32) {
        Memory.f32(scales + i / 8, top / 127);
      }
    }
  }

  /** Codes and scales of columns that only padding has. */
  static void zero(long codes, int cols, int padded, long scales) {
    for (int i = cols; i < padded; i += 2) {
      Memory.i32(codes + 2L * i, 0);
    }
    for (int i = cols; i < padded; i += 32) {
      Memory.i32(scales + i / 8, 0);
    }
  }

  /**
   * Of 32 columns, and of 16, the sums of the even and of the odd ones, as pairs of shorts; of 32
   * columns their sum, F32.
   */
  static void sums(long codes, int cols, long of32, long of16, long sums) {
    for (int i = 0; i < cols / 32; i++) {
      int even = 0;
      int odd = 0;
      for (int half = 0; half < 2; half++) {
        int evenBefore = even;
        int oddBefore = odd;
        for (int j = 0; j < 8; j++) {
          int pair = Memory.i32(codes);
          even += (short) pair;
          odd += pair >> 16;
          codes += 4;
        }
        Memory.i32(of16 + 8L * i + 4 * half, pair(even - evenBefore, odd - oddBefore));
      }
      Memory.i32(of32 + 4L * i, pair(even, odd));
      Memory.f32(sums + 4L * i, even + odd);
    }
  }

  private static int pair(int low, int high) {
    return low & 0xffff | high << 16;
  }
}
