package dev.yuzui.backend.reference;

import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.TreeMap;

/**
 * Multi-head latent attention over a paged cache, DeepSeek-V2 report §2.1, and grouped-query
 * attention, arXiv:2305.13245.
 */
final class Attention {
  private Attention() {}

  static void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    Matrix from = Matrix.of(x);
    Matrix angles = Matrix.of(table);
    Matrix position = Matrix.of(batch.position());
    Matrix to = Matrix.of(out);
    for (int t = 0; t < to.rows(); t++) {
      float[] row = from.row(t);
      float[] angle = angles.row(position.integer(0, t));
      for (int h = 0; h < heads; h++) {
        double[] turned = rotated(row, h * (from.cols() / heads) + xOffset, angle);
        to.set(t, h * (to.cols() / heads) + outOffset, turned);
      }
    }
  }

  /** (a, b) → (a·cos − b·sin, a·sin + b·cos) of the pairs from {@code from} on. */
  static double[] rotated(float[] x, int from, float[] angle) {
    double[] y = new double[angle.length];
    for (int i = 0; i < angle.length; i += 2) {
      double a = x[from + i];
      double b = x[from + i + 1];
      y[i] = a * angle[i] - b * angle[i + 1];
      y[i + 1] = a * angle[i + 1] + b * angle[i];
    }
    return y;
  }

  static void append(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    Matrix from = Matrix.of(kv);
    float[] weight = Matrix.of(norm).row(0);
    Matrix angles = Matrix.of(table);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix position = Matrix.of(batch.position());
    Pages pages = new Pages(cache, batch);
    for (int t = 0; t < from.rows(); t++) {
      int s = sequence.integer(0, t);
      if (s < 0) {
        continue;
      }
      int p = position.integer(0, t);
      float[] row = from.row(t);
      double[] latent = ReferenceOps.normed(row, weight, eps);
      double[] key = rotated(row, latent.length, angles.row(p));
      pages.store(s, p, latent, key);
    }
  }

  static void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    Matrix keys = Matrix.of(k);
    Matrix values = Matrix.of(v);
    Matrix angles = Matrix.of(table);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix position = Matrix.of(batch.position());
    Pages pages = new Pages(cache, batch);
    int d = shape.head();
    for (int t = 0; t < keys.rows(); t++) {
      int s = sequence.integer(0, t);
      if (s < 0) {
        continue;
      }
      int p = position.integer(0, t);
      double[] value = ReferenceOps.doubles(values.row(t));
      double[][] parts = new double[2 * shape.kvHeads()][];
      for (int g = 0; g < shape.kvHeads(); g++) {
        parts[2 * g] = rotated(keys.row(t), g * d, angles.row(p));
        parts[2 * g + 1] = Arrays.copyOfRange(value, g * d, (g + 1) * d);
      }
      pages.store(s, p, parts);
    }
  }

  /** out[t, n] = Σs a[s]·v[s, g], a = softmax over s of q[t, n]·k[s, g]·scale */
  static void grouped(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    Matrix query = Matrix.of(q);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix kvLength = Matrix.of(batch.kvLength());
    Matrix to = Matrix.of(out);
    Pages pages = new Pages(cache, batch);
    int d = shape.head();
    for (int t = 0; t < to.rows(); t++) {
      float[][] entries = pages.first(kvLength.integer(0, t), sequence.integer(0, t));
      float[] row = query.row(t);
      for (int n = 0; n < shape.heads(); n++) {
        int key = n / shape.perGroup() * 2 * d;
        double[] scores = new double[entries.length];
        for (int s = 0; s < scores.length; s++) {
          scores[s] = Matrix.dot(row, n * d, entries[s], key, d) * shape.scale();
        }
        softmax(scores);
        double[] o = new double[d];
        for (int s = 0; s < scores.length; s++) {
          for (int i = 0; i < d; i++) {
            o[i] += scores[s] * entries[s][key + d + i];
          }
        }
        to.set(t, n * d, o);
      }
    }
  }

  /** out[t, n] = Σs a[s]·c[s], a = softmax over s of q[t, n]·[c[s]; k[s]]·scale */
  static void absorbed(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    Matrix query = Matrix.of(q);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix kvLength = Matrix.of(batch.kvLength());
    Matrix to = Matrix.of(out);
    Pages pages = new Pages(cache, batch);
    for (int t = 0; t < to.rows(); t++) {
      float[][] entries = pages.first(kvLength.integer(0, t), sequence.integer(0, t));
      float[] row = query.row(t);
      for (int n = 0; n < shape.heads(); n++) {
        double[] scores = new double[entries.length];
        for (int s = 0; s < scores.length; s++) {
          scores[s] =
              Matrix.dot(row, n * shape.entry(), entries[s], 0, shape.entry()) * shape.scale();
        }
        softmax(scores);
        double[] o = new double[shape.kvLora()];
        for (int s = 0; s < scores.length; s++) {
          for (int l = 0; l < o.length; l++) {
            o[l] += scores[s] * entries[s][l];
          }
        }
        to.set(t, n * shape.kvLora(), o);
      }
    }
  }

  /**
   * k[s, n] = [Σl c[s, l]·W_UK[n, ·, l]; k_rope[s]], v[s, n] = W_UV[n]·c[s], and out[t, n] = Σs
   * softmax(q[t, n]·k[s, n]·scale)·v[s, n].
   */
  static void expanded(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    float[][] query = ReferenceOps.rows(Matrix.of(q));
    Matrix wk = Matrix.of(keyUp);
    Matrix wv = Matrix.of(valueUp);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix kvLength = Matrix.of(batch.kvLength());
    Matrix to = Matrix.of(out);

    TreeMap<Integer, Integer> longest = new TreeMap<>(); // by sequence; padding is −1
    for (int t = 0; t < query.length; t++) {
      longest.merge(sequence.integer(0, t), kvLength.integer(0, t), Math::max);
    }
    Pages pages = new Pages(cache, batch);
    for (int sequenceId : longest.keySet()) {
      float[][] entries = pages.first(longest.get(sequenceId), sequenceId);
      for (int n = 0; n < shape.heads(); n++) {
        double[][] k = keys(entries, wk, n, shape);
        double[][] v = values(entries, wv, n, shape);
        for (int t = 0; t < query.length; t++) {
          if (sequence.integer(0, t) == sequenceId) {
            double[] scores = new double[kvLength.integer(0, t)];
            for (int s = 0; s < scores.length; s++) {
              for (int i = 0; i < shape.query(); i++) {
                scores[s] += query[t][n * shape.query() + i] * k[s][i] * shape.scale();
              }
            }
            softmax(scores);
            double[] o = new double[shape.value()];
            for (int s = 0; s < scores.length; s++) {
              for (int i = 0; i < o.length; i++) {
                o[i] += scores[s] * v[s][i];
              }
            }
            to.set(t, n * shape.value(), o);
          }
        }
      }
    }
  }

  private static double[][] keys(float[][] entries, Matrix keyUp, int n, MlaShape shape) {
    double[][] k = new double[entries.length][shape.query()];
    for (int l = 0; l < shape.kvLora(); l++) {
      float[] column = keyUp.row(n * shape.kvLora() + l);
      for (int s = 0; s < k.length; s++) {
        for (int p = 0; p < shape.nope(); p++) {
          k[s][p] += (double) entries[s][l] * column[p];
        }
      }
    }
    for (int s = 0; s < k.length; s++) {
      for (int r = 0; r < shape.rope(); r++) {
        k[s][shape.nope() + r] = entries[s][shape.kvLora() + r];
      }
    }
    return k;
  }

  private static double[][] values(float[][] entries, Matrix valueUp, int n, MlaShape shape) {
    double[][] v = new double[entries.length][shape.value()];
    for (int i = 0; i < shape.value(); i++) {
      float[] row = valueUp.row(n * shape.value() + i);
      for (int s = 0; s < v.length; s++) {
        v[s][i] = Matrix.dot(entries[s], 0, row, 0, shape.kvLora());
      }
    }
    return v;
  }

  /** In place; the maximum is taken out first, so that e^x stays finite. */
  static void softmax(double[] x) {
    double max = Double.NEGATIVE_INFINITY;
    for (double v : x) {
      max = Math.max(max, v);
    }
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      x[i] = Math.exp(x[i] - max);
      sum += x[i];
    }
    for (int i = 0; i < x.length; i++) {
      x[i] /= sum;
    }
  }
}
