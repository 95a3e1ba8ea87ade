package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.shr;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.u8;
import static dev.yuzui.backend.cpu.Lanes.zero;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Rows of 32-element blocks times one vector, for 16 lanes: a block's sum takes its scale in one
 * multiply-add. A row's lanes are left at {@code partial}, 64 bytes a row, for {@link
 * VectorRows#sumRows}: few calls per method keep it within what the compiler will inline.
 */
final class BlockMatvec {
  private BlockMatvec() {}

  static void q40(long w, long stride, int rows, int cols, long x, long sums, long partial) {

    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();

      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        IntVector v = u8(b + 2);
        FloatVector s = toFloat(v.and(15).sub(8)).mul(f32(x + 4L * c));
        s = toFloat(shr(v, 4).sub(8)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);

        b += 18;
      }
      store(acc, partial + 64L * r);
    }
  }

  static void q41(long w, long stride, int rows, int cols, long x, long sums, long partial) {

    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();
      float minus = 0;
      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        IntVector v = u8(b + 4);
        FloatVector s = toFloat(v.and(15)).mul(f32(x + 4L * c));
        s = toFloat(shr(v, 4)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);
        minus += Memory.f16(b + 2) * Memory.f32(sums + c / 8);
        b += 20;
      }
      store(acc, partial + 64L * r);
      Memory.f32(partial + 64L * r, Memory.f32(partial + 64L * r) + minus);
    }
  }

  static void q50(long w, long stride, int rows, int cols, long x, long sums, long partial) {

    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();

      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        int low = ~Memory.i32(b + 2);
        IntVector v = u8(b + 6);
        FloatVector s = toFloat(Lanes.subtract16(v.and(15), low)).mul(f32(x + 4L * c));
        s = toFloat(Lanes.subtract16(shr(v, 4), low >>> 16)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);

        b += 22;
      }
      store(acc, partial + 64L * r);
    }
  }

  static void q51(long w, long stride, int rows, int cols, long x, long sums, long partial) {

    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();
      float minus = 0;
      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        int high = Memory.i32(b + 4);
        IntVector v = u8(b + 8);
        FloatVector s = toFloat(Lanes.or16(v.and(15), high)).mul(f32(x + 4L * c));
        s = toFloat(Lanes.or16(shr(v, 4), high >>> 16)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);
        minus += Memory.f16(b + 2) * Memory.f32(sums + c / 8);
        b += 24;
      }
      store(acc, partial + 64L * r);
      Memory.f32(partial + 64L * r, Memory.f32(partial + 64L * r) + minus);
    }
  }

  static void iq4nl(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    FloatVector table = Lanes.iq4Table();
    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();

      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        IntVector v = u8(b + 2);
        FloatVector s = Lanes.lookup(table, table, v.and(15)).mul(f32(x + 4L * c));
        s = Lanes.lookup(table, table, shr(v, 4)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);

        b += 18;
      }
      store(acc, partial + 64L * r);
    }
  }

  static void q80(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();
      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        FloatVector s = toFloat(Lanes.i8(b + 2)).mul(f32(x + 4L * c));
        s = toFloat(Lanes.i8(b + 18)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b)), acc);
        b += 34;
      }
      store(acc, partial + 64L * r);
    }
  }

  static void iq4xs(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    FloatVector table = Lanes.iq4Table();
    for (int r = 0; r < rows; r++) {
      FloatVector acc = zero();
      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        int i = c >> 5 & 7;
        IntVector v = u8(b + 8 + 16 * i);
        FloatVector s = Lanes.lookup(table, table, v.and(15)).mul(f32(x + 4L * c));
        s = Lanes.lookup(table, table, shr(v, 4)).fma(f32(x + 4L * c + 64), s);
        acc = s.fma(all(Memory.f16(b) * (Lanes.iq4xsScale(b, i) - 32)), acc);
        b += i == 7 ? 136 : 0;
      }
      store(acc, partial + 64L * r);
    }
  }
}
