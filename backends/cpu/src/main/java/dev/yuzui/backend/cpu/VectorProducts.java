package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.zero;

import java.lang.invoke.MethodHandle;
import jdk.incubator.vector.FloatVector;

/**
 * Products of F32 matrices with a block of results in registers. A result is summed in the same
 * order whatever the block it falls into.
 */
final class VectorProducts {
  private final MethodHandle by4x4 = Opaque.method(VectorProducts.class, "by4x4");
  private final MethodHandle by4x1 = Opaque.method(VectorProducts.class, "by4x1");
  private final MethodHandle by1x1 = Opaque.method(VectorProducts.class, "by1x1");
  private final MethodHandle sum4x2 = Opaque.method(VectorProducts.class, "sum4x2");
  private final MethodHandle sum1x2 = Opaque.method(VectorProducts.class, "sum1x2");

  /** {@link CpuKernels#products}: four rows and four vectors at a time, lanes along k. */
  void products(
      long a,
      long aStride,
      int rows,
      long[] x,
      long xOffset,
      int n,
      int k,
      long[] out,
      long outOffset,
      boolean add,
      long temporary) {
    int vectors = k - k % L;
    try {
      int i = 0;
      for (; i + 4 <= n; i += 4) {
        int r = 0;
        for (; r + 4 <= rows; r += 4) {
          by4x4.invokeExact(a + r * aStride, aStride, x, i, xOffset, vectors, temporary);
          for (int j = 0; j < 4; j++) {
            put4(temporary + 256L * j, out[i + j] + outOffset + 4L * r, add);
          }
        }
        for (; r < rows; r++) {
          for (int j = i; j < i + 4; j++) {
            long to = out[j] + outOffset + 4L * r;
            by1x1.invokeExact(a + r * aStride, x[j] + xOffset, vectors, to, add);
          }
        }
      }
      for (; i < n; i++) {
        int r = 0;
        for (; r + 4 <= rows; r += 4) {
          long to = out[i] + outOffset + 4L * r;
          by4x1.invokeExact(a + r * aStride, aStride, x[i] + xOffset, vectors, temporary);
          put4(temporary, to, add);
        }
        for (; r < rows; r++) {
          long to = out[i] + outOffset + 4L * r;
          by1x1.invokeExact(a + r * aStride, x[i] + xOffset, vectors, to, add);
        }
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
    if (vectors < k) {
      tail(a, aStride, rows, x, xOffset, n, vectors, k, out, outOffset);
    }
  }

  static void by4x4(long a, long aStride, long[] x, int i, long xOffset, int k, long sums) {
    long a1 = a + aStride;
    long a2 = a1 + aStride;
    long a3 = a2 + aStride;
    long x0 = x[i] + xOffset;
    long x1 = x[i + 1] + xOffset;
    long x2 = x[i + 2] + xOffset;
    long x3 = x[i + 3] + xOffset;
    FloatVector zero = zero();
    FloatVector s00 = zero;
    FloatVector s01 = zero;
    FloatVector s02 = zero;
    FloatVector s03 = zero;
    FloatVector s10 = zero;
    FloatVector s11 = zero;
    FloatVector s12 = zero;
    FloatVector s13 = zero;
    FloatVector s20 = zero;
    FloatVector s21 = zero;
    FloatVector s22 = zero;
    FloatVector s23 = zero;
    FloatVector s30 = zero;
    FloatVector s31 = zero;
    FloatVector s32 = zero;
    FloatVector s33 = zero;
    for (long c = 0; c < 4L * k; c += 4L * L) {
      FloatVector v0 = f32(x0 + c);
      FloatVector v1 = f32(x1 + c);
      FloatVector v2 = f32(x2 + c);
      FloatVector v3 = f32(x3 + c);
      FloatVector w = f32(a + c);
      s00 = w.fma(v0, s00);
      s01 = w.fma(v1, s01);
      s02 = w.fma(v2, s02);
      s03 = w.fma(v3, s03);
      w = f32(a1 + c);
      s10 = w.fma(v0, s10);
      s11 = w.fma(v1, s11);
      s12 = w.fma(v2, s12);
      s13 = w.fma(v3, s13);
      w = f32(a2 + c);
      s20 = w.fma(v0, s20);
      s21 = w.fma(v1, s21);
      s22 = w.fma(v2, s22);
      s23 = w.fma(v3, s23);
      w = f32(a3 + c);
      s30 = w.fma(v0, s30);
      s31 = w.fma(v1, s31);
      s32 = w.fma(v2, s32);
      s33 = w.fma(v3, s33);
    }
    store(s00, sums);
    store(s10, sums + 64);
    store(s20, sums + 128);
    store(s30, sums + 192);
    store(s01, sums + 256);
    store(s11, sums + 320);
    store(s21, sums + 384);
    store(s31, sums + 448);
    store(s02, sums + 512);
    store(s12, sums + 576);
    store(s22, sums + 640);
    store(s32, sums + 704);
    store(s03, sums + 768);
    store(s13, sums + 832);
    store(s23, sums + 896);
    store(s33, sums + 960);
  }

  /** Adds up the lanes of four vectors, the results of four rows. */
  private static void put4(long sums, long out, boolean add) {
    for (int r = 0; r < 4; r++) {
      put(f32(sums + 64L * r), out + 4L * r, add);
    }
  }

  static void by4x1(long a, long aStride, long x, int k, long sums) {
    long a1 = a + aStride;
    long a2 = a1 + aStride;
    long a3 = a2 + aStride;
    FloatVector s0 = zero();
    FloatVector s1 = zero();
    FloatVector s2 = zero();
    FloatVector s3 = zero();
    for (long c = 0; c < 4L * k; c += 4L * L) {
      FloatVector v = f32(x + c);
      s0 = f32(a + c).fma(v, s0);
      s1 = f32(a1 + c).fma(v, s1);
      s2 = f32(a2 + c).fma(v, s2);
      s3 = f32(a3 + c).fma(v, s3);
    }
    store(s0, sums);
    store(s1, sums + 64);
    store(s2, sums + 128);
    store(s3, sums + 192);
  }

  static void by1x1(long a, long x, int k, long out, boolean add) {
    FloatVector s = zero();
    for (long c = 0; c < 4L * k; c += 4L * L) {
      s = f32(a + c).fma(f32(x + c), s);
    }
    put(s, out, add);
  }

  private static void put(FloatVector s, long at, boolean add) {
    float sum = Lanes.sum(s);
    Memory.f32(at, add ? Memory.f32(at) + sum : sum);
  }

  private static void tail(
      long a,
      long aStride,
      int rows,
      long[] x,
      long xOffset,
      int n,
      int from,
      int k,
      long[] out,
      long outOffset) {
    for (int i = 0; i < n; i++) {
      for (int r = 0; r < rows; r++) {
        float sum = 0;
        for (int c = from; c < k; c++) {
          sum += Memory.f32(a + r * aStride + 4L * c) * Memory.f32(x[i] + xOffset + 4L * c);
        }
        long at = out[i] + outOffset + 4L * r;
        Memory.f32(at, Memory.f32(at) + sum);
      }
    }
  }

  /** {@link CpuKernels#weightedSum}: four rows by two vectors of columns at a time. */
  void weightedSum(
      long p,
      long pStride,
      int rows,
      long b,
      long bStride,
      int inner,
      int cols,
      long out,
      long outStride) {
    int c = 0;
    try {
      for (; c + 2 * L <= cols; c += 2 * L) {
        int i = 0;
        for (; i + 4 <= rows; i += 4) {
          long to = out + i * outStride + 4L * c;
          sum4x2.invokeExact(p + i * pStride, pStride, b + 4L * c, bStride, inner, to, outStride);
        }
        for (; i < rows; i++) {
          long to = out + i * outStride + 4L * c;
          sum1x2.invokeExact(p + i * pStride, b + 4L * c, bStride, inner, to);
        }
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
    for (; c < cols; c++) {
      for (int i = 0; i < rows; i++) {
        long at = out + i * outStride + 4L * c;
        float sum = Memory.f32(at);
        for (int j = 0; j < inner; j++) {
          sum += Memory.f32(p + i * pStride + 4L * j) * Memory.f32(b + j * bStride + 4L * c);
        }
        Memory.f32(at, sum);
      }
    }
  }

  static void sum4x2(
      long p, long pStride, long b, long bStride, int inner, long out, long outStride) {
    long p1 = p + pStride;
    long p2 = p1 + pStride;
    long p3 = p2 + pStride;
    long o1 = out + outStride;
    long o2 = o1 + outStride;
    long o3 = o2 + outStride;
    FloatVector s00 = f32(out);
    FloatVector s01 = f32(out + 4L * L);
    FloatVector s10 = f32(o1);
    FloatVector s11 = f32(o1 + 4L * L);
    FloatVector s20 = f32(o2);
    FloatVector s21 = f32(o2 + 4L * L);
    FloatVector s30 = f32(o3);
    FloatVector s31 = f32(o3 + 4L * L);
    for (long j = 0; j < 4L * inner; j += 4) {
      FloatVector b0 = f32(b);
      FloatVector b1 = f32(b + 4L * L);
      FloatVector w = all(Memory.f32(p + j));
      s00 = b0.fma(w, s00);
      s01 = b1.fma(w, s01);
      w = all(Memory.f32(p1 + j));
      s10 = b0.fma(w, s10);
      s11 = b1.fma(w, s11);
      w = all(Memory.f32(p2 + j));
      s20 = b0.fma(w, s20);
      s21 = b1.fma(w, s21);
      w = all(Memory.f32(p3 + j));
      s30 = b0.fma(w, s30);
      s31 = b1.fma(w, s31);
      b += bStride;
    }
    store(s00, out);
    store(s01, out + 4L * L);
    store(s10, o1);
    store(s11, o1 + 4L * L);
    store(s20, o2);
    store(s21, o2 + 4L * L);
    store(s30, o3);
    store(s31, o3 + 4L * L);
  }

  static void sum1x2(long p, long b, long bStride, int inner, long out) {
    FloatVector s0 = f32(out);
    FloatVector s1 = f32(out + 4L * L);
    for (int j = 0; j < inner; j++) {
      FloatVector w = all(Memory.f32(p + 4L * j));
      s0 = f32(b).fma(w, s0);
      s1 = f32(b + 4L * L).fma(w, s1);
      b += bStride;
    }
    store(s0, out);
    store(s1, out + 4L * L);
  }
}
