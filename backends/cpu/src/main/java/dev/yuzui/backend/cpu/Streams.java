package dev.yuzui.backend.cpu;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Hyper-connections: see {@link dev.yuzui.spi.CompressedOps}. A row's coefficients in double. */
final class Streams {
  /** Columns of all streams that are written at a time, from a copy. */
  private static final int COLUMNS = 512;

  private Streams() {}

  static Op read(
      RowKernels kernels,
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    long streams = HostBuffer.address(x);
    long coefficients = HostBuffer.address(mixes);
    long shift = HostBuffer.address(base);
    long by = HostBuffer.address(scale);
    long kept = mix.map(HostBuffer::address).orElse(0L);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(out.cols());
    int s = shape.streams();
    int count = Math.toIntExact(mixes.cols());
    double[][] ofRow = new double[Math.toIntExact(x.rows())][count];
    return new RowOp(x.rows(), 8L * s * cols) {
      @Override
      void row(int t, Lane lane) {
        double[] z = ofRow[t];
        long from = streams + 4L * t * s * cols;
        double root = Math.sqrt(squares(from, s * cols) / (s * cols) + shape.normEps());
        for (int i = 0; i < count; i++) {
          int which = count == s ? 0 : Math.min(i / s, 2);
          z[i] =
              Memory.f32(coefficients + 4L * (t * (long) count + i))
                      / root
                      * Memory.f32(by + 4L * which)
                  + Memory.f32(shift + 4L * i);
        }
        long row = to + 4L * t * cols;
        kernels.zero(row, cols);
        for (int i = 0; i < s; i++) {
          float pre = (float) (sigmoid(z[i]) + shape.eps());
          kernels.addScaled(from + 4L * i * cols, pre, row, cols);
        }
        if (kept != 0) {
          kept(z, shape, kept + 4L * t * shape.kept());
        }
      }
    };
  }

  /** Four sums, or each would wait for the one before. */
  private static double squares(long x, int count) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    int i = 0;
    for (; i + 4 <= count; i += 4) {
      double e = Memory.f32(x + 4L * i);
      double f = Memory.f32(x + 4L * i + 4);
      double g = Memory.f32(x + 4L * i + 8);
      double h = Memory.f32(x + 4L * i + 12);
      a += e * e;
      b += f * f;
      c += g * g;
      d += h * h;
    }
    for (; i < count; i++) {
      double e = Memory.f32(x + 4L * i);
      a += e * e;
    }
    return a + b + c + d;
  }

  /** Of z, whose last S·S become the doubly stochastic matrix. */
  private static void kept(double[] z, HyperShape shape, long out) {
    int s = shape.streams();
    for (int i = 0; i < s; i++) {
      Memory.f32(out + 4L * i, (float) (2 * sigmoid(z[s + i])));
    }
    int from = 2 * s;
    for (int i = 0; i < s; i++) {
      softmax(z, from + i * s, s, shape.eps());
    }
    divide(z, from, s, 1, s, shape.eps());
    for (int n = 1; n < shape.iterations(); n++) {
      divide(z, from, s, s, 1, shape.eps());
      divide(z, from, s, 1, s, shape.eps());
    }
    for (int i = 0; i < s * s; i++) {
      Memory.f32(out + 4L * (s + i), (float) z[from + i]);
    }
  }

  private static void softmax(double[] z, int from, int count, double eps) {
    double most = Double.NEGATIVE_INFINITY;
    for (int i = from; i < from + count; i++) {
      most = Math.max(most, z[i]);
    }
    double sum = 0;
    for (int i = from; i < from + count; i++) {
      z[i] = Math.exp(z[i] - most);
      sum += z[i];
    }
    for (int i = from; i < from + count; i++) {
      z[i] = z[i] / sum + eps;
    }
  }

  /** Each of {@code s} lines, {@code line} apart, of elements {@code step} apart, by its sum. */
  private static void divide(double[] z, int from, int s, int line, int step, double eps) {
    for (int i = 0; i < s; i++) {
      double sum = eps;
      for (int j = 0; j < s; j++) {
        sum += z[from + i * line + j * step];
      }
      for (int j = 0; j < s; j++) {
        z[from + i * line + j * step] /= sum;
      }
    }
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  /** Lane memory of {@link #write}. */
  static long laneBytes(HyperShape shape) {
    return 4L * COLUMNS * shape.streams();
  }

  static Op write(RowKernels kernels, Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    long streams = HostBuffer.address(x);
    long update = HostBuffer.address(y);
    long kept = HostBuffer.address(mix);
    int cols = Math.toIntExact(y.cols());
    int s = shape.streams();
    return new RowOp(x.rows(), 8L * s * s * cols) {
      @Override
      void row(int t, Lane lane) {
        long by = kept + 4L * t * shape.kept();
        for (int from = 0; from < cols; from += COLUMNS) {
          int n = Math.min(COLUMNS, cols - from);
          long row = streams + 4L * ((long) t * s * cols + from);
          long before = lane.memory();
          for (int i = 0; i < s; i++) {
            Memory.copy(row + 4L * i * cols, before + 4L * i * COLUMNS, 4L * n);
          }
          for (int j = 0; j < s; j++) {
            long to = row + 4L * j * cols;
            kernels.zero(to, n);
            kernels.addScaled(
                update + 4L * ((long) t * cols + from), Memory.f32(by + 4L * j), to, n);
            for (int i = 0; i < s; i++) {
              float share = Memory.f32(by + 4L * (s + i * s + j));
              kernels.addScaled(before + 4L * i * COLUMNS, share, to, n);
            }
          }
        }
      }
    };
  }
}
