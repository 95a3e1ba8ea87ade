package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.u8;
import static dev.yuzui.backend.cpu.Lanes.zero;

import jdk.incubator.vector.FloatVector;

/**
 * Products and values of rows that {@link SuperBlocks} took apart, for sub-blocks of 16 and of 32.
 * Products are for 16 lanes and leave a row's lanes at {@code partial}, 64 bytes a row: Σ scale·(Σ
 * code·x) + Σ offset·(Σ x), the last sum made beforehand.
 */
final class SuperBlockRows {
  private SuperBlockRows() {}

  /** {@code sums}: eight zeros, which meet the scales, and eight sums of 32 elements a block. */
  static void dot32(int rows, int cols, long x, long sums, long from, long partial) {
    for (int r = 0; r < rows; r++) {
      long scales = from + r * SuperBlocks.rowBytes(cols);
      long codes = scales + SuperBlocks.codes(cols);
      FloatVector acc = zero();
      for (int i = 0; i < cols / 4; i += 64) {
        acc = f32(scales + i).fma(f32(sums + i), acc);
      }
      for (int c = 0; c < cols; c += 32) {
        long at = x + 4L * c;
        FloatVector s = toFloat(u8(codes + c)).mul(f32(at));
        s = toFloat(u8(codes + c + 16)).fma(f32(at + 64), s);
        acc = s.fma(all(Memory.f32(scales + (c >> 8) * 64L + (c >> 3 & 28))), acc);
      }
      store(acc, partial + 64L * r);
    }
  }

  /** {@code sums}: sixteen sums of 16 elements a block. */
  static void dot16(int rows, int cols, long x, long sums, long from, long partial) {
    for (int r = 0; r < rows; r++) {
      long scales = from + r * SuperBlocks.rowBytes(cols);
      long codes = scales + SuperBlocks.codes(cols);
      FloatVector acc0 = zero();
      FloatVector acc1 = zero();
      for (int i = 0; i < cols / 4; i += 64) {
        acc0 = f32(scales + SuperBlocks.offsets(cols) + i).fma(f32(sums + i), acc0);
      }
      for (int c = 0; c < cols; c += 32) {
        long at = x + 4L * c;
        FloatVector s = toFloat(u8(codes + c)).mul(f32(at));
        acc0 = s.fma(all(Memory.f32(scales + c / 4)), acc0);
        s = toFloat(u8(codes + c + 16)).mul(f32(at + 64));
        acc1 = s.fma(all(Memory.f32(scales + c / 4 + 4)), acc1);
      }
      store(acc0.add(acc1), partial + 64L * r);
    }
  }

  /** out[c] = scale · code + offset, sub-blocks of 32. */
  static void values32(long from, int cols, long out) {
    long codes = from + SuperBlocks.codes(cols);
    for (int c = 0; c < cols; c += 32) {
      long scales = from + (c >> 8) * 64L + (c >> 3 & 28);
      FloatVector scale = all(Memory.f32(scales));
      FloatVector offset = all(Memory.f32(scales + 32));
      for (int l = 0; l < 32; l += L) {
        store(toFloat(u8(codes + c + l)).fma(scale, offset), out + 4L * (c + l));
      }
    }
  }

  /** Likewise, sub-blocks of 16. */
  static void values16(long from, int cols, long out) {
    long offsets = from + SuperBlocks.offsets(cols);
    long codes = from + SuperBlocks.codes(cols);
    for (int c = 0; c < cols; c += 16) {
      FloatVector scale = all(Memory.f32(from + c / 4));
      FloatVector offset = all(Memory.f32(offsets + c / 4));
      for (int l = 0; l < 16; l += L) {
        store(toFloat(u8(codes + c + l)).fma(scale, offset), out + 4L * (c + l));
      }
    }
  }
}
