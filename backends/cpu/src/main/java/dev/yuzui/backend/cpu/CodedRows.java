package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.zero;

import jdk.incubator.vector.FloatVector;

/**
 * Products and values of rows that {@link GridRows} and {@link FewBitRows} took apart: scales of 16
 * columns, F32, then codes, signed bytes in order; a weight is scale · code.
 */
final class CodedRows {
  private CodedRows() {}

  static long rowBytes(int cols) {
    return codes(cols) + cols;
  }

  /** Where a row's codes begin. */
  static long codes(int cols) {
    return cols / 4;
  }

  /** For 16 lanes; a row's are left at {@code partial}, 64 bytes a row. */
  static void dot(int rows, int cols, long x, long from, long partial) {
    for (int r = 0; r < rows; r++) {
      long scales = from + r * rowBytes(cols);
      long codes = scales + codes(cols);
      FloatVector acc0 = zero();
      FloatVector acc1 = zero();
      for (int c = 0; c < cols; c += 32) {
        FloatVector s = toFloat(Lanes.i8(codes + c)).mul(f32(x + 4L * c));
        acc0 = s.fma(all(Memory.f32(scales + c / 4)), acc0);
        s = toFloat(Lanes.i8(codes + c + 16)).mul(f32(x + 4L * c + 64));
        acc1 = s.fma(all(Memory.f32(scales + c / 4 + 4)), acc1);
      }
      store(acc0.add(acc1), partial + 64L * r);
    }
  }

  static void values(long from, int cols, long out) {
    long codes = from + codes(cols);
    for (int c = 0; c < cols; c += 16) {
      FloatVector scale = all(Memory.f32(from + c / 4));
      for (int l = 0; l < 16; l += L) {
        store(toFloat(Lanes.i8(codes + c + l)).mul(scale), out + 4L * (c + l));
      }
    }
  }
}
