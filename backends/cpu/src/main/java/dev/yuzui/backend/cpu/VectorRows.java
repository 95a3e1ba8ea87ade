package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.f32;
import static dev.yuzui.backend.cpu.Lanes.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Loops over the elements of a row, a scalar tail after the vectors. */
final class VectorRows {
  private static final float LOG2E = 1.442695041f;

  /** ln 2 in two parts: n·LN2_HIGH is exact for the n that occur. */
  private static final float LN2_HIGH = 0.693359375f;

  private static final float LN2_LOW = -2.12194440e-4f;

  private VectorRows() {}

  /** out[r] = the sum of the lanes of a vector at {@code partial}, 64 bytes a row. */
  static void sumRows(long partial, int rows, long out) {
    for (int r = 0; r < rows; r++) {
      Memory.f32(out + 4L * r, Lanes.sum(f32(partial + 64L * r)));
    }
  }

  /** sums[i] = Σ of a block of 16 or 32 elements. */
  static void sums(long x, int cols, int block, long sums) {
    for (int i = 0; i < cols / block; i++) {
      FloatVector s = f32(x);
      for (int c = L; c < block; c += L) {
        s = s.add(f32(x + 4L * c));
      }
      Memory.f32(sums + 4L * i, Lanes.sum(s));
      x += 4L * block;
    }
  }

  /** Eight zeros and the eight sums of 32 elements of each 256. */
  static void upperSums(long x, int cols, long sums) {
    for (int c = 0; c < cols; c += 256) {
      zero(sums, 8);
      sums(x, 256, 32, sums + 32);
      x += 1024;
      sums += 64;
    }
  }

  static void rmsNorm(long x, long weight, float eps, int count, long out) {
    int vectors = count - count % L;
    FloatVector s = Lanes.zero();
    for (int c = 0; c < vectors; c += L) {
      FloatVector v = f32(x + 4L * c);
      s = v.fma(v, s);
    }
    float squares = Lanes.sum(s);
    for (int c = vectors; c < count; c++) {
      float v = Memory.f32(x + 4L * c);
      squares += v * v;
    }
    float by = (float) (1 / Math.sqrt(squares / count + eps));
    for (int c = 0; c < vectors; c += L) {
      store(f32(x + 4L * c).mul(by).mul(f32(weight + 4L * c)), out + 4L * c);
    }
    for (int c = vectors; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(x + 4L * c) * by * Memory.f32(weight + 4L * c));
    }
  }

  static void zero(long x, int count) {
    int vectors = count - count % L;
    for (int c = 0; c < vectors; c += L) {
      store(Lanes.zero(), x + 4L * c);
    }
    for (int c = vectors; c < count; c++) {
      Memory.f32(x + 4L * c, 0);
    }
  }

  static void add(long a, long b, long out, int count) {
    int vectors = count - count % L;
    for (int c = 0; c < vectors; c += L) {
      store(f32(a + 4L * c).add(f32(b + 4L * c)), out + 4L * c);
    }
    for (int c = vectors; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(a + 4L * c) + Memory.f32(b + 4L * c));
    }
  }

  static void siluMul(long gate, long up, long out, int count) {
    exponentials(gate, -1, 0, up, out, count);
    for (int c = count - count % L; c < count; c++) {
      float z = Memory.f32(gate + 4L * c);
      Memory.f32(out + 4L * c, (float) (z / (1 + Math.exp(-z))) * Memory.f32(up + 4L * c));
    }
  }

  static void scale(long x, float by, int count) {
    int vectors = count - count % L;
    for (int c = 0; c < vectors; c += L) {
      store(f32(x + 4L * c).mul(by), x + 4L * c);
    }
    for (int c = vectors; c < count; c++) {
      Memory.f32(x + 4L * c, Memory.f32(x + 4L * c) * by);
    }
  }

  static void addScaled(long x, float by, long out, int count) {
    int vectors = count - count % L;
    FloatVector factor = all(by);
    for (int c = 0; c < vectors; c += L) {
      store(f32(x + 4L * c).fma(factor, f32(out + 4L * c)), out + 4L * c);
    }
    for (int c = vectors; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(out + 4L * c) + by * Memory.f32(x + 4L * c));
    }
  }

  static float max(long x, int count) {
    int vectors = count - count % L;
    float max = Float.NEGATIVE_INFINITY;
    if (vectors > 0) {
      FloatVector m = f32(x);
      for (int c = L; c < vectors; c += L) {
        m = m.max(f32(x + 4L * c));
      }
      max = m.reduceLanes(VectorOperators.MAX);
    }
    for (int c = vectors; c < count; c++) {
      max = Math.max(max, Memory.f32(x + 4L * c));
    }
    return max;
  }

  static float expSum(long x, float scale, float shift, int count) {
    float sum = exponentials(x, scale, shift, 0, x, count);
    for (int c = count - count % L; c < count; c++) {
      float e = (float) Math.exp(Memory.f32(x + 4L * c) * scale - shift);
      Memory.f32(x + 4L * c, e);
      sum += e;
    }
    return sum;
  }

  /**
   * With e = e^(x·scale − shift), over whole vectors: without {@code up}, out = e, and their sum;
   * with it, out = x / (1 + e) · up. One loop for both, for a helper that returns vectors is not
   * always inlined.
   *
   * <p>e^y to two units in the last place: y = n·ln 2 + r, e^r by a polynomial (Cephes expf), 2^n
   * by its exponent. Below −87 it gives about 1e-38 and above 88 about 2e38, never 0 or ∞; NaN
   * stays.
   */
  private static float exponentials(
      long x, float scale, float shift, long up, long out, int count) {
    FloatVector sum = Lanes.zero();
    for (int c = 0; c + L <= count; c += L) {
      FloatVector z = f32(x + 4L * c);
      FloatVector y = z.fma(all(scale), all(-shift)).max(-87f).min(88f);
      // adding 1.5·2²³ rounds to the nearest integer
      FloatVector n = y.fma(all(LOG2E), all(0x1.8p23f));
      FloatVector whole = n.sub(0x1.8p23f);
      FloatVector r = whole.fma(all(-LN2_LOW), whole.fma(all(-LN2_HIGH), y));
      FloatVector p = all(1.9875691500e-4f).fma(r, all(1.3981999507e-3f));
      p = p.fma(r, all(8.3334519073e-3f));
      p = p.fma(r, all(4.1665795894e-2f));
      p = p.fma(r, all(1.6666665459e-1f));
      p = p.fma(r, all(5.0000001201e-1f));
      p = p.fma(r.mul(r), r).add(1);
      IntVector exponent = n.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
      FloatVector e = p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
      if (up == 0) {
        store(e, out + 4L * c);
        sum = sum.add(e);
      } else {
        store(z.div(e.add(1)).mul(f32(up + 4L * c)), out + 4L * c);
      }
    }
    return Lanes.sum(sum);
  }
}
