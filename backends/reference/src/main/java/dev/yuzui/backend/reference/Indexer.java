package dev.yuzui.backend.reference;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Comparator;
import java.util.stream.IntStream;

/** DeepSeek-V3.2's lightning indexer, its report, §2.1. */
final class Indexer {
  private Indexer() {}

  static void append(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    Matrix from = Matrix.of(keys);
    float[] weight = Matrix.of(norm).row(0);
    float[] shift = Matrix.of(bias).row(0);
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
      double[] key = layerNorm(from.row(t), weight, shift, eps);
      rotate(key, angles.row(p));
      pages.store(s, p, shape.rotated() ? spread(key) : key);
    }
  }

  private static double[] layerNorm(float[] x, float[] weight, float[] bias, float eps) {
    double mean = IntStream.range(0, x.length).mapToDouble(i -> x[i]).average().orElse(0);
    double squares =
        IntStream.range(0, x.length)
            .mapToDouble(i -> (x[i] - mean) * (x[i] - mean))
            .average()
            .orElse(0);
    double[] y = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = (x[i] - mean) / Math.sqrt(squares + eps) * weight[i] + bias[i];
    }
    return y;
  }

  /** The pairs that {@code angle} has, in place. */
  private static void rotate(double[] x, float[] angle) {
    for (int i = 0; i < angle.length; i += 2) {
      double a = x[i];
      double b = x[i + 1];
      x[i] = a * angle[i] - b * angle[i + 1];
      x[i + 1] = a * angle[i + 1] + b * angle[i];
    }
  }

  /** H·x / √n with Sylvester's H: H[i, j] = −1 to the bits that i and j have in common. */
  static double[] spread(double[] x) {
    double[] y = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < x.length; j++) {
        y[i] += (Integer.bitCount(i & j) % 2 == 0 ? x[j] : -x[j]) / Math.sqrt(x.length);
      }
    }
    return y;
  }

  static void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    Matrix query = Matrix.of(q);
    Matrix weight = Matrix.of(weights);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix kvLength = Matrix.of(batch.kvLength());
    Matrix rows = Matrix.of(out.rows());
    Matrix sequences = Matrix.of(out.sequence());
    Matrix count = Matrix.of(out.count());
    Pages pages = new Pages(keys, batch);
    for (int t = 0; t < query.rows(); t++) {
      int s = sequence.integer(0, t);
      int sees = s < 0 ? 0 : kvLength.integer(0, t);
      int chosen = Math.min(sees, rows.cols());
      sequences.setInteger(0, t, s < 0 ? -1 : t);
      count.setInteger(0, t, chosen);
      double[] score =
          scores(query.row(t), weight.row(t), pages.first(sees, Math.max(s, 0)), shape);
      int[] best =
          IntStream.range(0, sees)
              .boxed()
              .sorted(Comparator.comparingDouble((Integer i) -> -score[i])) // stable
              .mapToInt(Integer::intValue)
              .limit(chosen)
              .sorted()
              .toArray();
      for (int i = 0; i < chosen; i++) {
        rows.setInteger(t, i, pages.row(s, best[i]));
      }
      for (int i = chosen; i < rows.cols(); i++) {
        rows.setInteger(t, i, -1);
      }
    }
  }

  private static double[] scores(float[] q, float[] weight, float[][] keys, IndexShape shape) {
    double[] score = new double[keys.length];
    for (int h = 0; h < shape.heads(); h++) {
      double[] head = new double[shape.head()];
      for (int i = 0; i < head.length; i++) {
        head[i] = q[h * shape.head() + i];
      }
      double[] turned = shape.rotated() ? spread(head) : head;
      for (int s = 0; s < score.length; s++) {
        double dot = 0;
        for (int i = 0; i < turned.length; i++) {
          dot += turned[i] * keys[s][i];
        }
        score[s] += weight[h] * Math.max(dot, 0);
      }
    }
    for (int s = 0; s < score.length; s++) {
      double scaled = score[s] * shape.scale();
      score[s] = Double.isNaN(scaled) ? Double.NEGATIVE_INFINITY : scaled;
    }
    return score;
  }
}
