package dev.yuzui.kit;

import static dev.yuzui.kit.Steps.span;
import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Blocks that tokens are pooled into, and the rounding that rows are kept with. */
public abstract class BlocksConformance extends Conformance {
  private static final float EPS = 1e-6f;

  // ---- rounding ---------------------------------------------------------------------------------

  /** What float8_e4m3fn can be, by its codes. */
  private static final double[] E4M3 =
      IntStream.range(0, 127)
          .mapToDouble(
              code -> {
                int exponent = code >> 3;
                int mantissa = code & 7;
                return exponent == 0
                    ? Math.scalb(mantissa, -9)
                    : Math.scalb(8 + mantissa, exponent - 10);
              })
          .toArray();

  private static final double[] E2M1 = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

  /** Of {@code codes}, those of the numbers from 0 on, the nearest; ties to the even code. */
  private static double nearest(double[] codes, double x) {
    int best = 0;
    for (int i = 1; i < codes.length; i++) {
      double gain = Math.abs(Math.abs(x) - codes[best]) - Math.abs(Math.abs(x) - codes[i]);
      best = gain > 0 || gain == 0 && i % 2 == 0 ? i : best;
    }
    return Math.copySign(codes[best], x);
  }

  /** Blocks of {@code block} share the least power of two that leaves none above the last code. */
  private static void round(double[] x, int from, int to, int block, double[] codes, double least) {
    for (int b = from; b < to; b += block) {
      double most = least;
      for (int i = b; i < b + block; i++) {
        most = Math.max(most, Math.abs(x[i]));
      }
      double scale = Math.scalb(1.0, -200);
      while (scale * codes[codes.length - 1] < most) {
        scale *= 2;
      }
      for (int i = b; i < b + block; i++) {
        x[i] = nearest(codes, x[i] / scale) * scale;
      }
    }
  }

  private static void round(double[] x, int from, int head, int rope, Rounding rounding) {
    switch (rounding) {
      case NONE -> {}
      case E4M3 -> round(x, from, from + head - rope, 64, E4M3, 1e-4);
      case E2M1 -> {
        double[] spread = new double[head];
        for (int i = 0; i < head; i++) {
          for (int j = 0; j < head; j++) {
            spread[i] += (Integer.bitCount(i & j) % 2 == 0 ? 1 : -1) * x[from + j];
          }
        }
        for (int i = 0; i < head; i++) {
          x[from + i] = spread[i] / Math.sqrt(head);
        }
        round(x, from, from + head, 32, E2M1, 6 * 0x1p-126);
      }
    }
  }

  /** A step of what is rounded, of the largest in a row; few are so near to a tie. */
  private static Tolerance rounded(Rounding rounding, Tolerance unrounded, int written) {
    if (rounding == Rounding.NONE) {
      return unrounded;
    }
    double step = rounding == Rounding.E4M3 ? 1 / 8.0 : 1 / 3.0;
    return (name, variant, cols, want, got) -> {
      ofRow(1.01 * step).check(name, variant, cols, want, got);
      int other = 0;
      for (int i = 0; i < want.length; i++) {
        float[] row = Arrays.copyOfRange(want, i / cols * cols, (i / cols + 1) * cols);
        double most = 0;
        for (float v : row) {
          most = Math.max(most, Math.abs(v));
        }
        other += Math.abs(got[i] - want[i]) > 2e-5 * most ? 1 : 0;
      }
      int allowed = Math.max(2, written / 100);
      int found = other;
      Assertions.assertTrue(
          found <= allowed, () -> name + ": " + found + " numbers are another, not " + allowed);
    };
  }

  /** Rounding, rows, heads, elements of a head, those that rotate. */
  @ParameterizedTest
  @CsvSource({
    "E4M3, 3, 1, 512, 64",
    "E4M3, 2, 64, 128, 64",
    "E4M3, 5, 2, 64, 0",
    "E2M1, 3, 1, 128, 64",
    "E2M1, 2, 64, 128, 64",
    "E2M1, 4, 3, 32, 0",
    "E2M1, 1, 1, 512, 64",
    "NONE, 2, 2, 128, 64"
  })
  void round(Rounding rounding, int rows, int heads, int head, int rope) {
    int cols = heads * head;
    Values given = Values.normal(rows, cols, 5, 0, 4);
    Values wanted =
        new Values(
            rows,
            cols,
            variant -> {
              double[] x = doubles(given.of(variant));
              for (int from = 0; from < x.length; from += head) {
                round(x, from, head, rope, rounding);
              }
              return floats(x);
            });
    rig.compare(
        b -> {
          Tensor x = b.inOut("x", given, near(wanted, rounded(rounding, absolute(0), rows * cols)));
          return ops -> ops.round(x, heads, rope, rounding);
        });
  }

  @Test
  void eightBitsOfKnownNumbers() {
    float[] x = new float[3 * 64];
    float[] wanted = new float[3 * 64];
    // the scale is 1; steps of 2 from 16 on, the least is 2^-9
    copy(x, 0, 448, 17, 19, -17, 16.9f, 0x1p-9f, 0x1p-10f, 0x1.8p-9f, 447, 0);
    copy(wanted, 0, 448, 16, 20, -16, 16, 0x1p-9f, 0, 0x1p-8f, 448, 0);
    // a little more than 448, and the scale is 2: steps of 32 from 512, of 2·2^-9
    copy(x, 64, 449, -450, 33, 0x1p-9f);
    copy(wanted, 64, 448, -448, 32, 0);
    // what rotates stays
    copy(x, 128, 17.3f, 1e6f);
    copy(wanted, 128, 17.3f, 1e6f);
    Values given = Values.literal(1, 192, x);
    Tolerance same = near(Values.literal(1, 192, wanted), absolute(0));
    rig.compare(
        b -> {
          Tensor in = b.inOut("x", given, same);
          return ops -> ops.round(in, 1, 64, Rounding.E4M3);
        });
  }

  @Test
  void fourBitsOfKnownNumbers() {
    // what the matrix spreads to is known: of 64 whole eighths it makes exact numbers
    double[] y = new double[64];
    float[] wanted = new float[64];
    double[] first = {6, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -5, -0.25, 0.375, 2.625, 4.5};
    double[] rounded = {6, 0, 1, 1, 2, 2, 4, 4, -4, 0, 0.5, 3, 4};
    double[] second = {7, 3, 1, -7}; // of scale 2
    double[] doubled = {8, 3, 1, -8};
    for (int i = 0; i < first.length; i++) {
      y[i] = first[i];
      wanted[i] = (float) rounded[i];
    }
    for (int i = 0; i < second.length; i++) {
      y[32 + i] = second[i];
      wanted[32 + i] = (float) doubled[i];
    }
    float[] x = new float[64];
    for (int i = 0; i < 64; i++) {
      for (int j = 0; j < 64; j++) {
        x[i] += (float) ((Integer.bitCount(i & j) % 2 == 0 ? y[j] : -y[j]) / 8);
      }
    }
    Tolerance same = near(Values.literal(1, 64, wanted), absolute(0));
    rig.compare(
        b -> {
          Tensor in = b.inOut("x", Values.literal(1, 64, x), same);
          return ops -> ops.round(in, 1, 0, Rounding.E2M1);
        });
  }

  private static void copy(float[] to, int at, float... values) {
    System.arraycopy(values, 0, to, at, values.length);
  }

  // ---- blocks -----------------------------------------------------------------------------------

  /** Tokens of a block, whether blocks overlap, elements, those that rotate, rounding. */
  private record Shape(int block, int halves, int d, int rope, Rounding rounding) {
    int wide() {
      return halves * d;
    }
  }

  private static final List<Steps.Span> FIRST = List.of(span(0, 9), span(6, 7), span(126, 3));
  private static final List<Steps.Span> SECOND = List.of(span(255, 1), span(1, 11), span(2, 6));
  private static final int TOKENS = 21;
  private static final int PAGE = 4;
  private static final int POOL = 3 * 33;

  Stream<Arguments> appendBlock() {
    Stream<Arguments> all =
        Stream.of(
            Arguments.of("F32", new Shape(4, 2, 64, 16, Rounding.NONE)),
            Arguments.of("F32", new Shape(2, 1, 96, 32, Rounding.NONE)),
            Arguments.of("F32", new Shape(3, 2, 64, 64, Rounding.NONE)),
            Arguments.of("F32", new Shape(128, 1, 64, 32, Rounding.NONE)),
            Arguments.of("F32", new Shape(4, 2, 512, 64, Rounding.E4M3)),
            Arguments.of("F32", new Shape(4, 2, 128, 64, Rounding.E2M1)));
    return Stream.concat(
        all,
        caches().stream()
            .flatMap(
                e ->
                    Stream.of(
                        Arguments.of(e.label(), new Shape(4, 2, 128, 64, Rounding.NONE)),
                        Arguments.of(e.label(), new Shape(128, 1, 512, 64, Rounding.NONE)))));
  }

  /** A block's tokens are of the step, or of the ring, or some of either. */
  @ParameterizedTest
  @MethodSource
  void appendBlock(String label, Shape shape) {
    Encoding encoding = encoding(label);
    Steps.Step[] steps = {
      Steps.step(TOKENS, PAGE, POOL, 1, FIRST), Steps.step(TOKENS, PAGE, POOL, 2, SECOND)
    };
    int length = shape.block() * shape.halves();
    int first = 2;
    float[] norm = Values.normal(1, shape.d(), 4, 1, 0.3).of(0);
    float[] angles = angles(256, shape.rope());
    float[] bias = Values.normal(shape.block(), shape.wide(), 3).of(0);
    Values given =
        new Values(
            TOKENS,
            2 * shape.wide(),
            variant -> {
              float[] x = new float[TOKENS * 2 * shape.wide()];
              Steps.Step step = steps[variant];
              for (int t = 0; t < step.real(); t++) {
                float[] row = token(shape, variant, step.sequence()[t], step.position()[t]);
                System.arraycopy(row, 0, x, t * row.length, row.length);
              }
              return x;
            });
    Values before =
        new Values(
            first + 3 * length,
            2 * shape.wide(),
            variant -> {
              float[] x = new float[(first + 3 * length) * 2 * shape.wide()];
              Arrays.fill(x, Float.NaN);
              for (int s = 0; s < 3; s++) {
                int start = (variant == 0 ? FIRST : SECOND).get(s).start();
                for (int p = Math.max(0, start - length); p < start; p++) {
                  float[] row = token(shape, variant, s, p);
                  int at = first + s * length + p % length;
                  System.arraycopy(row, 0, x, at * row.length, row.length);
                }
              }
              return x;
            });
    int[] written = new int[Values.VARIANTS];
    float[][] wanted = new float[Values.VARIANTS][POOL * PAGE * shape.d()];
    for (int variant = 0; variant < Values.VARIANTS; variant++) {
      Steps.Step step = steps[variant];
      for (int t = 0; t < step.real(); t++) {
        int s = step.sequence()[t];
        int end = step.position()[t] + 1;
        if (end % shape.block() == 0) {
          float[] entry =
              floats(block(shape, variant, s, end / shape.block() - 1, bias, norm, angles));
          int row = step.cacheRow(s, end / shape.block() - 1, PAGE);
          System.arraycopy(entry, 0, wanted[variant], row * shape.d(), shape.d());
          written[variant] += shape.d();
        }
      }
    }
    Tolerance stored =
        encoding.equals(Encoding.F32)
            ? rounded(shape.rounding(), ofRow(2e-5), Math.max(written[0], written[1]))
            : ofRow(1.01 * Tolerance.step(encoding));
    rig.compare(
        b -> {
          Tensor x = b.input("x", given);
          Tensor more =
              b.weight(
                  Weights.of(rig.arena(), "ape", Encoding.F32, shape.block(), shape.wide(), bias));
          Tensor by = b.vector(rig.arena(), "norm", norm);
          Tensor table =
              b.weight(Weights.of(rig.arena(), "rope", Encoding.F32, 256, shape.rope(), angles));
          StepBatch batch = b.step(Steps.of(PAGE, steps[0], steps[1]));
          Ring state = new Ring(b.input("state", before), first, length, -1);
          Values empty = Values.fill(POOL * PAGE, shape.d(), 0);
          Values filled = new Values(POOL * PAGE, shape.d(), variant -> wanted[variant].clone());
          KvCache blocks = b.cache(encoding, empty, PAGE, near(filled, stored));
          return ops ->
              ops.appendBlock(x, more, by, EPS, table, shape.rounding(), state, blocks, batch);
        });
  }

  /** [u; g] of a token, the same wherever it is kept. */
  private static float[] token(Shape shape, int variant, int sequence, int position) {
    Random random = new Random(1_000_003L * variant + 10_007L * sequence + position);
    float[] row = new float[2 * shape.wide()];
    for (int i = 0; i < row.length; i++) {
      row[i] = (float) random.nextGaussian();
    }
    return row;
  }

  /** Block i of a sequence, from all that its tokens are. */
  private static double[] block(
      Shape shape, int variant, int sequence, int i, float[] ape, float[] norm, float[] angles) {
    int r = shape.block();
    int d = shape.d();
    int wide = shape.wide();
    double[] total = new double[d];
    double[] sum = new double[d];
    for (int p = Math.max(0, (i + 1 - shape.halves()) * r); p < (i + 1) * r; p++) {
      float[] row = token(shape, variant, sequence, p);
      int half = p < i * r ? 0 : (shape.halves() - 1) * d;
      for (int c = 0; c < d; c++) {
        double weight = Math.exp(row[wide + half + c] + (double) ape[p % r * wide + half + c]);
        total[c] += weight;
        sum[c] += weight * row[half + c];
      }
    }
    double squares = 0;
    for (int c = 0; c < d; c++) {
      sum[c] /= total[c];
      squares += sum[c] * sum[c];
    }
    for (int c = 0; c < d; c++) {
      sum[c] = sum[c] / Math.sqrt(squares / d + EPS) * norm[c];
    }
    for (int c = 0; c < shape.rope(); c += 2) {
      int at = d - shape.rope() + c;
      double cos = angles[i * r * shape.rope() + c];
      double sin = angles[i * r * shape.rope() + c + 1];
      double a = sum[at];
      sum[at] = a * cos - sum[at + 1] * sin;
      sum[at + 1] = a * sin + sum[at + 1] * cos;
    }
    round(sum, 0, d, shape.rope(), shape.rounding());
    return sum;
  }

  private static float[] angles(int positions, int rope) {
    float[] x = new float[positions * rope];
    for (int i = 0; i < x.length; i += 2) {
      double angle = i / rope * Math.pow(100, -(double) (i % rope) / rope);
      x[i] = (float) Math.cos(angle);
      x[i + 1] = (float) Math.sin(angle);
    }
    return x;
  }

  private static double[] doubles(float[] x) {
    return IntStream.range(0, x.length).mapToDouble(i -> x[i]).toArray();
  }

  private static float[] floats(double[] x) {
    float[] y = new float[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = (float) x[i];
    }
    return y;
  }
}
