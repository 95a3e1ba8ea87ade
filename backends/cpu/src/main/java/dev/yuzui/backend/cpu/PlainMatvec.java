package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.zero;

import jdk.incubator.vector.FloatVector;

/**
 * Rows without blocks times one vector. A row's lanes are left at {@code partial}, 64 bytes a row,
 * for {@link VectorRows#sumRows}.
 */
final class PlainMatvec {
  private PlainMatvec() {}

  static void f32(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    for (int r = 0; r < rows; r++) {
      FloatVector s0 = zero();
      FloatVector s1 = zero();
      FloatVector s2 = zero();
      FloatVector s3 = zero();
      int c = 0;
      for (; c + 4 * L <= cols; c += 4 * L) {
        s0 = Lanes.f32(w + 4L * (c)).fma(Lanes.f32(x + 4L * (c)), s0);
        s1 = Lanes.f32(w + 4L * (c + L)).fma(Lanes.f32(x + 4L * (c + L)), s1);
        s2 = Lanes.f32(w + 4L * (c + 2 * L)).fma(Lanes.f32(x + 4L * (c + 2 * L)), s2);
        s3 = Lanes.f32(w + 4L * (c + 3 * L)).fma(Lanes.f32(x + 4L * (c + 3 * L)), s3);
      }
      for (; c + L <= cols; c += L) {
        s0 = Lanes.f32(w + 4L * c).fma(Lanes.f32(x + 4L * c), s0);
      }
      store(s0.add(s1).add(s2.add(s3)), partial);
      if (c < cols) {
        float rest = Memory.f32(partial);
        for (; c < cols; c++) {
          rest += Memory.f32(w + 4L * c) * Memory.f32(x + 4L * c);
        }
        Memory.f32(partial, rest);
      }
      partial += 64;
      w += stride;
    }
  }

  static void bf16(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    for (int r = 0; r < rows; r++) {
      FloatVector s0 = zero();
      FloatVector s1 = zero();
      FloatVector s2 = zero();
      FloatVector s3 = zero();
      int c = 0;
      for (; c + 4 * L <= cols; c += 4 * L) {
        s0 = Lanes.bf16(w + 2L * (c)).fma(Lanes.f32(x + 4L * (c)), s0);
        s1 = Lanes.bf16(w + 2L * (c + L)).fma(Lanes.f32(x + 4L * (c + L)), s1);
        s2 = Lanes.bf16(w + 2L * (c + 2 * L)).fma(Lanes.f32(x + 4L * (c + 2 * L)), s2);
        s3 = Lanes.bf16(w + 2L * (c + 3 * L)).fma(Lanes.f32(x + 4L * (c + 3 * L)), s3);
      }
      for (; c + L <= cols; c += L) {
        s0 = Lanes.bf16(w + 2L * c).fma(Lanes.f32(x + 4L * c), s0);
      }
      store(s0.add(s1).add(s2.add(s3)), partial);
      if (c < cols) {
        float rest = Memory.f32(partial);
        for (; c < cols; c++) {
          rest += Memory.bf16(w + 2L * c) * Memory.f32(x + 4L * c);
        }
        Memory.f32(partial, rest);
      }
      partial += 64;
      w += stride;
    }
  }

  static void f16(long w, long stride, int rows, int cols, long x, long sums, long partial) {
    for (int r = 0; r < rows; r++) {
      FloatVector s0 = zero();
      FloatVector s1 = zero();
      int c = 0;
      for (; c + 2 * L <= cols; c += 2 * L) {
        s0 = Lanes.f16(w + 2L * (c)).fma(Lanes.f32(x + 4L * (c)), s0);
        s1 = Lanes.f16(w + 2L * (c + L)).fma(Lanes.f32(x + 4L * (c + L)), s1);
      }
      for (; c + L <= cols; c += L) {
        s0 = Lanes.f16(w + 2L * c).fma(Lanes.f32(x + 4L * c), s0);
      }
      store(s0.add(s1), partial);
      if (c < cols) {
        float rest = Memory.f32(partial);
        for (; c < cols; c++) {
          rest += Memory.f16(w + 2L * c) * Memory.f32(x + 4L * c);
        }
        Memory.f32(partial, rest);
      }
      partial += 64;
      w += stride;
    }
  }

  /** One row; each tile's sum takes its scale once. */
  static void fp8(long w, long scales, int tile, int cols, long x, long partial) {
    FloatVector sum = zero();
    float rest = 0;
    for (int from = 0; from < cols; from += tile) {
      int to = Math.min(cols, from + tile);
      float scale = Memory.f32(scales);
      scales += 4;
      FloatVector s0 = zero();
      FloatVector s1 = zero();
      int c = from;
      for (; c + 2 * L <= to; c += 2 * L) {
        s0 = Lanes.e4m3(w + c).fma(Lanes.f32(x + 4L * c), s0);
        s1 = Lanes.e4m3(w + c + L).fma(Lanes.f32(x + 4L * (c + L)), s1);
      }
      for (; c + L <= to; c += L) {
        s0 = Lanes.e4m3(w + c).fma(Lanes.f32(x + 4L * c), s0);
      }
      sum = s0.add(s1).fma(Lanes.all(scale), sum);
      for (; c < to; c++) {
        rest += Memory.e4m3(w + c) * scale * Memory.f32(x + 4L * c);
      }
    }
    store(sum, partial);
    Memory.f32(partial, Memory.f32(partial) + rest);
  }
}
