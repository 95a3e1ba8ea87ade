package dev.yuzui.backend.reference;

import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.Optional;

/** DeepSeek-V4's compressed attention: a window, blocks that are pooled, a sink. */
final class CompressedAttention {
  private static final double[] E2M1 = {0, .5, 1, 1.5, 2, 3, 4, 6};

  private CompressedAttention() {}

  static void store(Matrix rows, Tensor tensor, long row, float[] values) {
    var encoding = tensor.encoding();
    long at = encoding.byteSize(row, values.length);
    Quantizer.encode(encoding, values, 0, values.length, rows.data(), at);
  }

  static void stage(Tensor x, Ring ring) {
    Matrix from = Matrix.of(x);
    Matrix to = Matrix.of(ring.rows());
    for (int t = 0; t < from.rows(); t++) {
      store(to, ring.rows(), ring.staged() + t, from.row(t));
    }
  }

  static void keep(Tensor x, Ring ring, StepBatch batch) {
    Matrix from = Matrix.of(x);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix position = Matrix.of(batch.position());
    Matrix to = Matrix.of(ring.rows());
    int tokens = from.rows();
    for (int t = 0; t < tokens; t++) {
      int s = sequence.integer(0, t);
      int later = t + ring.length();
      if (s >= 0 && !(later < tokens && sequence.integer(0, later) == s)) {
        store(to, ring.rows(), row(ring, s, position.integer(0, t)), from.row(t));
      }
    }
  }

  private static int row(Ring ring, int sequence, int position) {
    return Math.toIntExact(
        ring.first() + (long) sequence * ring.length() + position % ring.length());
  }

  /** Whether the row that is {@code back} positions before row t's is of the step. */
  private static boolean inStep(Matrix sequence, int t, int back) {
    return back <= t && sequence.integer(0, t - back) == sequence.integer(0, t);
  }

  static void append(
      Tensor x,
      Tensor ape,
      Tensor norm,
      float eps,
      Tensor table,
      Rounding rounding,
      Ring state,
      KvCache blocks,
      StepBatch batch) {
    Matrix from = Matrix.of(x);
    Matrix before = Matrix.of(state.rows());
    Matrix bias = Matrix.of(ape);
    float[] weight = Matrix.of(norm).row(0);
    Matrix angles = Matrix.of(table);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix position = Matrix.of(batch.position());
    Pages pages = new Pages(blocks, batch);
    int block = bias.rows();
    int d = weight.length;
    int wide = bias.cols();
    for (int t = 0; t < from.rows(); t++) {
      int s = sequence.integer(0, t);
      int p = position.integer(0, t);
      if (s < 0 || (p + 1) % block != 0) {
        continue;
      }
      int slots = Math.min(p + 1, block * (wide / d));
      double[][] scores = new double[d][slots];
      double[][] values = new double[d][slots];
      for (int k = 0; k < slots; k++) {
        int back = slots - 1 - k;
        float[] row =
            inStep(sequence, t, back) ? from.row(t - back) : before.row(row(state, s, p - back));
        float[] more = bias.row((p - back) % block);
        int channel = back < block ? wide - d : 0;
        for (int c = 0; c < d; c++) {
          scores[c][k] = (double) row[wide + channel + c] + more[channel + c];
          values[c][k] = row[channel + c];
        }
      }
      float[] pooled = new float[d];
      for (int c = 0; c < d; c++) {
        Attention.softmax(scores[c]);
        double sum = 0;
        for (int k = 0; k < slots; k++) {
          sum += scores[c][k] * values[c][k];
        }
        pooled[c] = (float) sum;
      }
      double[] normed = ReferenceOps.normed(pooled, weight, eps);
      rotate(normed, angles.row(p + 1 - block));
      round(normed, 0, d, angles.cols(), rounding);
      pages.store(s, p / block, normed);
    }
  }

  /** The last pairs, in place. */
  private static void rotate(double[] x, float[] angle) {
    int from = x.length - angle.length;
    for (int i = 0; i < angle.length; i += 2) {
      double a = x[from + i];
      double b = x[from + i + 1];
      x[from + i] = a * angle[i] - b * angle[i + 1];
      x[from + i + 1] = a * angle[i + 1] + b * angle[i];
    }
  }

  static void round(Tensor x, int heads, int rope, Rounding rounding) {
    Matrix rows = Matrix.of(x);
    int head = rows.cols() / heads;
    for (int t = 0; t < rows.rows(); t++) {
      double[] row = ReferenceOps.doubles(rows.row(t));
      for (int h = 0; h < heads; h++) {
        round(row, h * head, head, rope, rounding);
      }
      rows.set(t, row);
    }
  }

  private static void round(double[] x, int from, int head, int rope, Rounding rounding) {
    switch (rounding) {
      case NONE -> {}
      case E4M3 -> {
        for (int b = from; b < from + head - rope; b += 64) {
          double scale = power(Math.max(greatest(x, b, 64), 1e-4) / 448);
          for (int i = b; i < b + 64; i++) {
            x[i] = e4m3(x[i] / scale) * scale;
          }
        }
      }
      case E2M1 -> {
        double[] spread = Indexer.spread(Arrays.copyOfRange(x, from, from + head));
        System.arraycopy(spread, 0, x, from, head);
        for (int b = from; b < from + head; b += 32) {
          double scale = power(Math.max(greatest(x, b, 32), 6 * 0x1p-126) / 6);
          for (int i = b; i < b + 32; i++) {
            x[i] = e2m1(x[i] / scale) * scale;
          }
        }
      }
    }
  }

  private static double greatest(double[] x, int from, int count) {
    double most = 0;
    for (int i = from; i < from + count; i++) {
      most = Math.max(most, Math.abs(x[i]));
    }
    return most;
  }

  /** The least power of two that is no smaller. */
  private static double power(double x) {
    int exponent = Math.getExponent(x);
    double floor = Math.scalb(1.0, exponent);
    return floor < x ? 2 * floor : floor;
  }

  private static double e4m3(double x) {
    double size = Math.abs(x);
    double unit = Math.scalb(1.0, Math.getExponent(Math.max(size, 0x1p-6)) - 3);
    return Math.signum(x) * Math.min(Math.rint(size / unit) * unit, 448);
  }

  /** To the nearest, of two as near to the one with the even code. */
  private static double e2m1(double x) {
    double size = Math.abs(x);
    int best = 0;
    for (int i = 1; i < E2M1.length; i++) {
      double nearer = Math.abs(size - E2M1[best]) - Math.abs(size - E2M1[i]);
      if (nearer > 0 || nearer == 0 && i % 2 == 0) {
        best = i;
      }
    }
    return Math.signum(x) * E2M1[best];
  }

  static void look(
      Ring ring,
      int window,
      Optional<CompressedOps.Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix position = Matrix.of(batch.position());
    Matrix rows = Matrix.of(out.rows());
    for (int t = 0; t < rows.rows(); t++) {
      int s = sequence.integer(0, t);
      int p = position.integer(0, t);
      int count = 0;
      for (int back = Math.min(window - 1, p); s >= 0 && back >= 0; back--) {
        int row =
            inStep(sequence, t, back)
                ? Math.toIntExact(ring.staged() + t - back)
                : row(ring, s, p - back);
        rows.setInteger(t, count++, row);
      }
      if (s >= 0 && chosen.isPresent()) {
        Matrix some = Matrix.of(chosen.get().rows());
        int more = Matrix.of(chosen.get().count()).integer(0, t);
        for (int i = 0; i < more; i++) {
          rows.setInteger(t, count++, some.integer(t, i));
        }
      }
      if (s >= 0 && all.isPresent()) {
        Pages pages = new Pages(all.get().entries(), batch);
        int more = Matrix.of(all.get().seen()).integer(0, t);
        for (int i = 0; i < more; i++) {
          rows.setInteger(t, count++, pages.row(s, i));
        }
      }
      for (int i = count; i < rows.cols(); i++) {
        rows.setInteger(t, i, -1);
      }
      Matrix.of(out.sequence()).setInteger(0, t, s < 0 ? -1 : t);
      Matrix.of(out.count()).setInteger(0, t, count);
    }
  }

  static void decode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    Matrix query = Matrix.of(q);
    float[] sink = Matrix.of(sinks).row(0);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix kvLength = Matrix.of(batch.kvLength());
    Matrix to = Matrix.of(out);
    Pages pages = new Pages(cache, batch);
    for (int t = 0; t < to.rows(); t++) {
      float[][] entries = pages.first(kvLength.integer(0, t), sequence.integer(0, t));
      float[] row = query.row(t);
      for (int n = 0; n < shape.heads(); n++) {
        double[] scores = new double[entries.length + 1];
        for (int s = 0; s < entries.length; s++) {
          scores[s] =
              Matrix.dot(row, n * shape.entry(), entries[s], 0, shape.entry()) * shape.scale();
        }
        scores[entries.length] = sink[n];
        Attention.softmax(scores);
        double[] o = new double[shape.kvLora()];
        for (int s = 0; s < entries.length; s++) {
          for (int l = 0; l < o.length; l++) {
            o[l] += scores[s] * entries[s][l];
          }
        }
        to.set(t, n * shape.kvLora(), o);
      }
    }
  }
}
