package dev.yuzui.kit;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Quantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;

/**
 * A cache that holds the entries its step may see and NaN everywhere else, so that a look beyond a
 * row's length shows.
 *
 * @param width numbers of an entry
 */
record CachedEntries(
    int width, Encoding encoding, Steps steps, Steps.Step first, Steps.Step second, int pool) {

  Steps.Step step(int variant) {
    return variant == 0 ? first : second;
  }

  KvCache cache(Bench bench) {
    return bench.cache(encoding, entries(), steps.pageTokens(), Tolerance.exact());
  }

  private Values entries() {
    int rows = pool * steps.pageTokens();
    return new Values(
        rows,
        width,
        variant -> {
          float[] x = new float[rows * width];
          Arrays.fill(x, Float.NaN);
          Steps.Step step = step(variant);
          for (int t = 0; t < step.tokens(); t++) {
            for (int i = 0; i < step.kvLength()[t]; i++) {
              int row = step.cacheRow(step.sequence()[t], i, steps.pageTokens());
              if (Float.isNaN(x[row * width])) {
                Random random = new Random(1000L * variant + row);
                for (int c = 0; c < width; c++) {
                  x[row * width + c] = (float) random.nextGaussian();
                }
              }
            }
          }
          return x;
        });
  }

  /** The entries as the cache's encoding keeps them. */
  float[] stored(int variant) {
    float[] x = entries().of(variant);
    try (Arena confined = Arena.ofConfined()) {
      MemorySegment data = confined.allocate(encoding.byteSize(1, x.length), 8);
      Quantizer.encode(encoding, x, 0, x.length, data, 0);
      Dequantizer.decode(encoding, data, 0, x.length, x, 0);
    }
    return x;
  }

  /** Where entry {@code i} of row {@code t}'s sequence begins in {@link #stored}. */
  int row(Steps.Step step, int t, int i) {
    return step.cacheRow(step.sequence()[t], i, steps.pageTokens()) * width;
  }

  static void softmax(double[] x, double scale) {
    double max = Arrays.stream(x).max().orElse(0);
    double sum = Arrays.stream(x).map(v -> Math.exp((v - max) * scale)).sum();
    Arrays.setAll(x, i -> Math.exp((x[i] - max) * scale) / sum);
  }
}
