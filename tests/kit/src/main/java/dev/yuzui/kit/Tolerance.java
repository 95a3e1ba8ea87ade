package dev.yuzui.kit;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Scalar;
import org.junit.jupiter.api.Assertions;

/** How far a result may lie from the wanted one. */
@FunctionalInterface
public interface Tolerance {
  /**
   * Fails with the first element that is too far off.
   *
   * @param want the reference's rows, as many as are compared
   */
  void check(String name, int variant, int cols, float[] want, float[] got);

  /** |got − want| allowed at an element. */
  interface Bound {
    double at(int variant, int row, int col, float[] want);
  }

  static Tolerance bounded(Bound bound) {
    return (name, variant, cols, want, got) -> {
      for (int i = 0; i < want.length; i++) {
        if (Float.floatToIntBits(want[i]) == Float.floatToIntBits(got[i])) {
          continue;
        }
        double allowed = bound.at(variant, i / cols, i % cols, want);
        double difference = Math.abs((double) got[i] - want[i]);
        if (!(difference <= allowed)) {
          Assertions.fail(
              "%s[%d, %d], contents %d: %s, wanted %s, off by %.3g where %.3g is allowed"
                  .formatted(
                      name, i / cols, i % cols, variant, got[i], want[i], difference, allowed));
        }
      }
    };
  }

  static Tolerance exact() {
    return absolute(0);
  }

  static Tolerance absolute(double allowed) {
    return bounded((_, _, _, _) -> allowed);
  }

  /** {@code epsilon} of the element itself. */
  static Tolerance relative(double epsilon) {
    return (name, variant, cols, want, got) ->
        bounded((_, row, col, w) -> epsilon * Math.abs(w[row * cols + col]))
            .check(name, variant, cols, want, got);
  }

  /** {@code epsilon} of the largest element of the row. */
  static Tolerance ofRow(double epsilon) {
    return ofRow(epsilon, 0);
  }

  /** The same, but at least {@code least}. */
  static Tolerance ofRow(double epsilon, double least) {
    return (name, variant, cols, want, got) -> {
      double[] largest = new double[want.length / cols];
      for (int i = 0; i < want.length; i++) {
        largest[i / cols] = Math.max(largest[i / cols], Math.abs(want[i]));
      }
      bounded((_, row, _, _) -> Math.max(least, epsilon * largest[row]))
          .check(name, variant, cols, want, got);
    };
  }

  /** The result must lie so near to {@code expected} too, whatever the reference says. */
  static Tolerance near(Values expected, Tolerance tolerance) {
    return (name, variant, cols, want, got) -> {
      tolerance.check(name, variant, cols, want, got);
      float[] e = java.util.Arrays.copyOf(expected.of(variant), want.length);
      tolerance.check(name + " against the expected values", variant, cols, e, got);
    };
  }

  /**
   * Of a sum of {@code k} products in F32, in any order: the error of a random walk of roundings,
   * several deviations wide. Weights narrower than F32 may pass through F16, whose smallest step is
   * 2^−24, and products of many rows may round both sides to it; with weights of a block format the
   * activations may be rounded to eight bits, a step being max|x|/127 and its error uniform, and
   * with other narrow ones to sixteen.
   */
  static double product(
      Encoding weights, int rows, int k, double xNorm, double xMax, double wNorm) {
    if (!Encoding.all().contains(weights)) {
      throw new IllegalArgumentException("no weight is " + weights.label());
    }
    double f32 = (8 + Math.sqrt(k)) * 0x1p-23 * xNorm * wNorm;
    double smallest = weights.equals(Encoding.F32) ? 0 : 0x1p-24 * xNorm;
    double f16 = 6 * xMax * 0x1p-11 * Math.sqrt(2.0 / 3) * wNorm;
    double int8 = 6 * xMax / 127 / Math.sqrt(12) * wNorm;
    double int16 = weights.equals(Encoding.F32) ? 0 : 0x1p-17 * xNorm * wNorm;
    return f32
        + int16
        + smallest
        + (halves(weights, rows) ? f16 : 0)
        + (weights instanceof Encoding.Block ? int8 : 0);
  }

  /** Rows up to which a product is one of F32 activations, so that drafts verify what they say. */
  int EXACT_ROWS = 8;

  /** Whether a product of {@code rows} rows may round to F16. */
  static boolean halves(Encoding weights, int rows) {
    return rows > EXACT_ROWS && !weights.equals(Encoding.F32);
  }

  /** What such a product may cost an op made of several, of its largest result. */
  static double withHalves(double epsilon, String weights, int rows) {
    return halves(Conformance.encoding(weights), rows) ? Math.max(epsilon, 4e-3) : epsilon;
  }

  /** Of {@code matmul}. */
  static Tolerance product(Values x, HostTensor w) {
    return productPerHead(x, 0, w, 1, (int) w.rows(), 0);
  }

  /** Of {@code matmulPerHead} into heads of {@code outStride}; the rest of the row stays. */
  static Tolerance productPerHead(
      Values x, int xOffset, HostTensor w, int heads, int outStride, int outOffset) {
    int k = (int) w.cols();
    int n = (int) w.rows() / heads;
    double[] wNorm = Weights.norms(w);
    double[][][] xNorm = new double[Values.VARIANTS][x.rows()][heads];
    double[][][] xMax = new double[Values.VARIANTS][x.rows()][heads];
    for (int variant = 0; variant < Values.VARIANTS; variant++) {
      float[] values = x.of(variant);
      for (int t = 0; t < x.rows(); t++) {
        for (int h = 0; h < heads; h++) {
          int from = t * x.cols() + h * (x.cols() / heads) + xOffset;
          xNorm[variant][t][h] = Weights.norm(values, from, k);
          for (int i = from; i < from + k; i++) {
            xMax[variant][t][h] = Math.max(xMax[variant][t][h], Math.abs(values[i]));
          }
        }
      }
    }
    return bounded(
        (variant, t, col, _) -> {
          int h = col / outStride;
          int i = col % outStride - outOffset;
          return i < 0 || i >= n
              ? 0
              : product(
                  w.encoding(),
                  x.rows(),
                  k,
                  xNorm[variant][t][h],
                  xMax[variant][t][h],
                  wNorm[h * n + i]);
        });
  }

  /** Between two numbers that a cache in {@code encoding} tells apart, of a row's largest. */
  static double step(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.F32 -> 0x1p-23;
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.F16 -> 0x1p-10;
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.BF16 -> 0x1p-7;
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.E4M3 -> 0x1p-3;
      case Encoding.Q8_0 _ -> 0.0085;
      default ->
          throw new IllegalArgumentException(
              "the kit knows no step of a cache in " + encoding.label());
    };
  }

  /**
   * Of numbers stored in {@code encoding} after F32 arithmetic: a number near the middle between
   * two codes may fall either way, by one step; of those {@code written} few do.
   */
  static Tolerance stored(Encoding encoding, int written) {
    if (encoding.equals(Encoding.F32)) {
      return ofRow(1e-6);
    }
    double step = step(encoding);
    return (name, variant, cols, want, got) -> {
      ofRow(step).check(name, variant, cols, want, got);
      int other = 0;
      for (int i = 0; i < want.length; i++) {
        if (Math.abs(got[i] - want[i]) > 1e-6 * Math.abs(want[i])) {
          other++;
        }
      }
      int allowed = Math.max(2, written / 100);
      Assertions.assertTrue(
          other <= allowed,
          "%s: %d of %d stored numbers differ, more than rounding explains"
              .formatted(name, other, written));
    };
  }
}
