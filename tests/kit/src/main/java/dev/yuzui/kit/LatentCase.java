package dev.yuzui.kit;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import java.lang.foreign.Arena;

/** {@link CachedEntries} of latent attention, which is written out naively. */
record LatentCase(
    Arena arena,
    MlaShape shape,
    Encoding encoding,
    Steps steps,
    Steps.Step first,
    Steps.Step second,
    int pool) {

  private CachedEntries cached() {
    return new CachedEntries(shape.entry(), encoding, steps, first, second, pool);
  }

  private Steps.Step step(int variant) {
    return cached().step(variant);
  }

  KvCache cache(Bench bench) {
    return cached().cache(bench);
  }

  HostTensor keyUp(Encoding weights) {
    return up(weights, "keyUp", shape.heads() * shape.kvLora(), shape.nope(), 211);
  }

  HostTensor valueUp(Encoding weights) {
    return up(weights, "valueUp", shape.heads() * shape.value(), shape.kvLora(), 223);
  }

  /** Scaled so that what comes out is of the size of what goes in. */
  private HostTensor up(Encoding weights, String name, int rows, int cols, long seed) {
    float[] x = Values.normal(rows, cols, seed, 0, 1 / Math.sqrt(shape.kvLora())).of(0);
    return Weights.of(arena, name, weights, rows, cols, x);
  }

  /** softmax(q·[c; k]ᵀ·scale)·c */
  Values naiveAbsorbed(Values query) {
    int n = shape.heads();
    return new Values(
        query.rows(),
        n * shape.kvLora(),
        variant -> {
          Steps.Step step = step(variant);
          float[] cache = cached().stored(variant);
          float[] q = query.of(variant);
          float[] out = new float[query.rows() * n * shape.kvLora()];
          for (int t = 0; t < step.tokens(); t++) {
            for (int h = 0; h < n; h++) {
              double[] weights = new double[step.kvLength()[t]];
              for (int i = 0; i < weights.length; i++) {
                int at = row(step, t, i);
                for (int e = 0; e < shape.entry(); e++) {
                  weights[i] +=
                      (double) q[t * query.cols() + h * shape.entry() + e] * cache[at + e];
                }
              }
              softmax(weights);
              for (int l = 0; l < shape.kvLora(); l++) {
                double sum = 0;
                for (int i = 0; i < weights.length; i++) {
                  sum += weights[i] * cache[row(step, t, i) + l];
                }
                out[(t * n + h) * shape.kvLora() + l] = (float) sum;
              }
            }
          }
          return out;
        });
  }

  /** softmax(q·[W_UK c; k]ᵀ·scale)·W_UV c */
  Values naiveExpanded(Values query, HostTensor keyUp, HostTensor valueUp) {
    float[] wk = Dequantizer.all(keyUp);
    float[] wv = Dequantizer.all(valueUp);
    int n = shape.heads();
    return new Values(
        query.rows(),
        n * shape.value(),
        variant -> {
          Steps.Step step = step(variant);
          float[] cache = cached().stored(variant);
          float[] q = query.of(variant);
          float[] out = new float[query.rows() * n * shape.value()];
          for (int t = 0; t < step.tokens(); t++) {
            for (int h = 0; h < n; h++) {
              int from = t * query.cols() + h * shape.query();
              double[] carried = new double[shape.kvLora()]; // W_UKᵀ q
              for (int l = 0; l < carried.length; l++) {
                for (int p = 0; p < shape.nope(); p++) {
                  carried[l] +=
                      (double) q[from + p] * wk[(h * carried.length + l) * shape.nope() + p];
                }
              }
              double[] weights = new double[step.kvLength()[t]];
              for (int i = 0; i < weights.length; i++) {
                int at = row(step, t, i);
                for (int l = 0; l < carried.length; l++) {
                  weights[i] += carried[l] * cache[at + l];
                }
                for (int r = 0; r < shape.rope(); r++) {
                  weights[i] +=
                      (double) q[from + shape.nope() + r] * cache[at + shape.kvLora() + r];
                }
              }
              softmax(weights);
              double[] latent = new double[shape.kvLora()];
              for (int i = 0; i < weights.length; i++) {
                for (int l = 0; l < latent.length; l++) {
                  latent[l] += weights[i] * cache[row(step, t, i) + l];
                }
              }
              for (int v = 0; v < shape.value(); v++) {
                double sum = 0;
                for (int l = 0; l < latent.length; l++) {
                  sum += latent[l] * wv[(h * shape.value() + v) * latent.length + l];
                }
                out[(t * n + h) * shape.value() + v] = (float) sum;
              }
            }
          }
          return out;
        });
  }

  private int row(Steps.Step step, int t, int i) {
    return cached().row(step, t, i);
  }

  private void softmax(double[] x) {
    CachedEntries.softmax(x, shape.scale());
  }
}
