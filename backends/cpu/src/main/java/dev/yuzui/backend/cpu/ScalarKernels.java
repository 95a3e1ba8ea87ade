package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Quantizer;

/** The plainest loops: the tests' reference, and what runs without the vector module. */
final class ScalarKernels implements CpuKernels {
  @Override
  public String description() {
    return "scalar kernels";
  }

  @Override
  public int few(Encoding encoding) {
    return 1;
  }

  @Override
  public long temporaryBytes(int cols) {
    return 0;
  }

  @Override
  public void prepare(Encoding encoding, long x, int cols, long prepared) {
    // wants nothing
  }

  @Override
  public void matvec(Matrix w, int from, int to, long x, long prepared, long temporary, long out) {
    for (int r = from; r < to; r++) {
      float[] row = decode(w, r, 0, w.cols());
      float sum = 0;
      for (int c = 0; c < row.length; c++) {
        sum += row[c] * Memory.f32(x + 4L * c);
      }
      Memory.f32(out + 4L * (r - from), sum);
    }
  }

  @Override
  public void decode(Matrix w, int row, int from, int count, long temporary, long out) {
    float[] decoded = decode(w, row, from, count);
    for (int c = 0; c < count; c++) {
      Memory.f32(out + 4L * c, decoded[c]);
    }
  }

  private static float[] decode(Matrix w, int row, int from, int count) {
    float[] out = new float[count];
    w.decode(row, from, count, out);
    return out;
  }

  @Override
  public void encode(Encoding encoding, long x, int count, long out) {
    float[] values = new float[count];
    for (int c = 0; c < count; c++) {
      values[c] = Memory.f32(x + 4L * c);
    }
    Quantizer.encode(encoding, values, 0, count, Memory.ALL, out);
  }

  @Override
  public void products(
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
    for (int i = 0; i < n; i++) {
      for (int r = 0; r < rows; r++) {
        long at = out[i] + outOffset + 4L * r;
        float sum = add ? Memory.f32(at) : 0;
        for (int c = 0; c < k; c++) {
          sum += Memory.f32(a + r * aStride + 4L * c) * Memory.f32(x[i] + xOffset + 4L * c);
        }
        Memory.f32(at, sum);
      }
    }
  }

  @Override
  public void weightedSum(
      long p,
      long pStride,
      int rows,
      long b,
      long bStride,
      int inner,
      int cols,
      long out,
      long outStride) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < inner; j++) {
        addScaled(b + j * bStride, Memory.f32(p + i * pStride + 4L * j), out + i * outStride, cols);
      }
    }
  }

  @Override
  public void rmsNorm(long x, long weight, float eps, int count, long out) {
    float squares = 0;
    for (int c = 0; c < count; c++) {
      float v = Memory.f32(x + 4L * c);
      squares += v * v;
    }
    float by = (float) (1 / Math.sqrt(squares / count + eps));
    for (int c = 0; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(x + 4L * c) * by * Memory.f32(weight + 4L * c));
    }
  }

  @Override
  public void zero(long x, int count) {
    for (int c = 0; c < count; c++) {
      Memory.f32(x + 4L * c, 0);
    }
  }

  @Override
  public void add(long a, long b, long out, int count) {
    for (int c = 0; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(a + 4L * c) + Memory.f32(b + 4L * c));
    }
  }

  @Override
  public void siluMul(long gate, long up, long out, int count) {
    for (int c = 0; c < count; c++) {
      float z = Memory.f32(gate + 4L * c);
      Memory.f32(out + 4L * c, (float) (z / (1 + Math.exp(-z))) * Memory.f32(up + 4L * c));
    }
  }

  @Override
  public void scale(long x, float by, int count) {
    for (int c = 0; c < count; c++) {
      Memory.f32(x + 4L * c, Memory.f32(x + 4L * c) * by);
    }
  }

  @Override
  public void addScaled(long x, float by, long out, int count) {
    for (int c = 0; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f32(out + 4L * c) + by * Memory.f32(x + 4L * c));
    }
  }

  @Override
  public float max(long x, int count) {
    float max = Float.NEGATIVE_INFINITY;
    for (int c = 0; c < count; c++) {
      max = Math.max(max, Memory.f32(x + 4L * c));
    }
    return max;
  }

  @Override
  public float expSum(long x, float scale, float shift, int count) {
    float sum = 0;
    for (int c = 0; c < count; c++) {
      float e = (float) Math.exp(Memory.f32(x + 4L * c) * scale - shift);
      Memory.f32(x + 4L * c, e);
      sum += e;
    }
    return sum;
  }
}
