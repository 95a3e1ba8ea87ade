package dev.yuzui.backend.reference;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Manifold-constrained hyper-connections, arXiv:2512.24880. */
final class Streams {
  private Streams() {}

  static void read(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    Matrix streams = Matrix.of(x);
    Matrix coefficients = Matrix.of(mixes);
    float[] shift = Matrix.of(base).row(0);
    float[] by = Matrix.of(scale).row(0);
    Matrix to = Matrix.of(out);
    int s = shape.streams();
    for (int t = 0; t < to.rows(); t++) {
      float[] all = streams.row(t);
      double root =
          Math.sqrt(Matrix.dot(all, 0, all, 0, all.length) / all.length + shape.normEps());
      double[] z = ReferenceOps.doubles(coefficients.row(t));
      for (int i = 0; i < z.length; i++) {
        z[i] = z[i] / root * by[Math.min(i / s, by.length - 1)] + shift[i];
      }
      double[] y = new double[to.cols()];
      for (int i = 0; i < s; i++) {
        double pre = sigmoid(z[i]) + shape.eps();
        for (int c = 0; c < y.length; c++) {
          y[c] += pre * all[i * y.length + c];
        }
      }
      to.set(t, y);
      int row = t;
      mix.ifPresent(m -> Matrix.of(m).set(row, kept(z, shape)));
    }
  }

  private static double[] kept(double[] z, HyperShape shape) {
    int s = shape.streams();
    double[] kept = new double[shape.kept()];
    for (int i = 0; i < s; i++) {
      kept[i] = 2 * sigmoid(z[s + i]);
    }
    double[][] res = new double[s][s];
    for (int i = 0; i < s; i++) {
      System.arraycopy(z, 2 * s + i * s, res[i], 0, s);
      Attention.softmax(res[i]);
      for (int j = 0; j < s; j++) {
        res[i][j] += shape.eps();
      }
    }
    columns(res, shape.eps());
    for (int n = 1; n < shape.iterations(); n++) {
      for (double[] row : res) {
        double sum = 0;
        for (double v : row) {
          sum += v;
        }
        for (int j = 0; j < s; j++) {
          row[j] /= sum + shape.eps();
        }
      }
      columns(res, shape.eps());
    }
    for (int i = 0; i < s; i++) {
      System.arraycopy(res[i], 0, kept, s + i * s, s);
    }
    return kept;
  }

  private static void columns(double[][] res, double eps) {
    for (int j = 0; j < res.length; j++) {
      double sum = 0;
      for (double[] row : res) {
        sum += row[j];
      }
      for (double[] row : res) {
        row[j] /= sum + eps;
      }
    }
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  static void write(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    Matrix streams = Matrix.of(x);
    Matrix update = Matrix.of(y);
    Matrix kept = Matrix.of(mix);
    int s = shape.streams();
    for (int t = 0; t < streams.rows(); t++) {
      float[] before = streams.row(t);
      float[] more = update.row(t);
      float[] by = kept.row(t);
      double[] after = new double[before.length];
      for (int j = 0; j < s; j++) {
        for (int c = 0; c < more.length; c++) {
          double sum = (double) by[j] * more[c];
          for (int i = 0; i < s; i++) {
            sum += (double) by[s + i * s + j] * before[i * more.length + c];
          }
          after[j * more.length + c] = sum;
        }
      }
      streams.set(t, after);
    }
  }
}
