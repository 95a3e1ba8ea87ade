package dev.yuzui.kit;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Quantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;

/**
 * A cache that holds the entries its step may see and NaN everywhere else, so that a look beyond a
 * row's length shows; with attention over it written out naively.
 */
record LatentCase(
    Arena arena,
    MlaShape shape,
    Encoding encoding,
    Steps steps,
    Steps.Step first,
    Steps.Step second,
    int pool) {

  private Steps.Step step(int variant) {
    return variant == 0 ? first : second;
  }

  LatentCache cache(Bench bench) {
    return bench.cache(encoding, entries(), steps.pageTokens(), Tolerance.exact());
  }

  private Values entries() {
    int rows = pool * steps.pageTokens();
    int cols = shape.entry();
    return new Values(
        rows,
        cols,
        variant -> {
          float[] x = new float[rows * cols];
          Arrays.fill(x, Float.NaN);
          Steps.Step step = step(variant);
          for (int t = 0; t < step.tokens(); t++) {
            for (int i = 0; i < step.kvLength()[t]; i++) {
              int row = step.cacheRow(step.sequence()[t], i, steps.pageTokens());
              if (Float.isNaN(x[row * cols])) {
                Random random = new Random(1000L * variant + row);
                for (int c = 0; c < cols; c++) {
                  x[row * cols + c] = (float) random.nextGaussian();
                }
              }
            }
          }
          return x;
        });
  }

  /** The entries as the cache's encoding keeps them. */
  private float[] stored(int variant) {
    float[] x = entries().of(variant);
    try (Arena confined = Arena.ofConfined()) {
      MemorySegment data = confined.allocate(encoding.byteSize(1, x.length), 8);
      Quantizer.encode(encoding, x, 0, x.length, data, 0);
      Dequantizer.decode(encoding, data, 0, x.length, x, 0);
    }
    return x;
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
          float[] cache = stored(variant);
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
          float[] cache = stored(variant);
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
    return step.cacheRow(step.sequence()[t], i, steps.pageTokens()) * shape.entry();
  }

  private void softmax(double[] x) {
    double max = Arrays.stream(x).max().orElse(0);
    double sum = Arrays.stream(x).map(v -> Math.exp((v - max) * shape.scale())).sum();
    Arrays.setAll(x, i -> Math.exp((x[i] - max) * shape.scale()) / sum);
  }
}
