package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;
import static dev.yuzui.kit.Tolerance.product;
import static dev.yuzui.kit.Tolerance.productPerHead;
import static dev.yuzui.kit.Tolerance.withHalves;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products with weights of every encoding. */
public abstract class ProductsConformance extends Conformance {
  static final List<String> ENCODINGS = Encoding.all().stream().map(Encoding::label).toList();

  /** Those of which the first rows can be taken: scales of tiles span rows. */
  static final List<String> SLICED =
      Encoding.all().stream()
          .filter(e -> !(e instanceof Encoding.Fp8Tiled))
          .map(Encoding::label)
          .toList();

  /** The sizes at which kernels change shape. */
  private static final int[] TOKENS = {1, 2, 3, 5, 8, 16, 17, 33, 64};

  /** An encoding with a number of tokens, each with sizes of its own. */
  static Stream<Arguments> everyEncodingAndTokens() {
    return ENCODINGS.stream()
        .flatMap(
            label ->
                java.util.stream.IntStream.range(0, TOKENS.length)
                    .mapToObj(
                        i -> {
                          int block = encoding(label).blockElements();
                          int n = new int[] {1, 7, 33, 64, 5, 41, 16, 3, 31}[i];
                          int blocks =
                              switch (block) {
                                case 1 -> new int[] {1, 3, 17, 64, 257, 130, 2048, 100, 72}[i];
                                case 32 -> new int[] {1, 3, 2, 9, 5, 44, 8, 16, 7}[i];
                                case 64, 128 -> new int[] {1, 3, 2, 5, 7, 9, 4, 6, 8}[i];
                                case 256 -> new int[] {1, 3, 2, 1, 8, 2, 5, 1, 4}[i];
                                default ->
                                    throw new IllegalArgumentException(
                                        "no sizes for blocks of " + label);
                              };
                          return Arguments.of(label, TOKENS[i], n, blocks * block);
                        }));
  }

  @Test
  void matmulOfKnownNumbers() {
    Values wanted = Values.literal(2, 3, 5, 11, -1, 14, 32, -1);
    HostTensor w =
        Weights.of(rig.arena(), "w", Encoding.F32, 3, 2, new float[] {1, 2, 3, 4, 1, -1});
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.literal(2, 2, 1, 2, 4, 5));
          Tensor weight = b.weight(w);
          Tensor out = b.output("out", 2, 3, near(wanted, ofRow(1e-6)));
          return ops -> ops.matmul(x, weight, out);
        });
  }

  @Test
  void matmulPerHeadOfKnownNumbers() {
    // head 0 sees 2 and 3 of [1, 2, 3], head 1 sees 5 and 6 of [4, 5, 6]
    HostTensor w =
        Weights.of(rig.arena(), "w", Encoding.F32, 4, 2, new float[] {1, 0, 0, 1, 1, 1, 10, 100});
    Values wanted = Values.literal(1, 6, -1, 2, 3, -4, 11, 650);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.literal(1, 6, 1, 2, 3, 4, 5, 6));
          Tensor weight = b.weight(w);
          Values before = Values.literal(1, 6, -1, -2, -3, -4, -5, -6);
          Tensor out = b.inOut("out", before, near(wanted, ofRow(1e-6)));
          return ops -> ops.matmulPerHead(x, 1, weight, 2, out, 1);
        });
  }

  @ParameterizedTest
  @MethodSource("everyEncodingAndTokens")
  void matmul(String encoding, int tokens, int n, int k) {
    compareMatmul(Values.normal(tokens, k, 7), rig.weight(encoding(encoding), n, k, 11));
  }

  @ParameterizedTest
  @FieldSource("SLICED")
  void matmulOfTheFirstRows(String encoding) {
    int k = 3 * Math.max(encoding(encoding).blockElements(), 32);
    HostTensor w = rig.weight(encoding(encoding), 115, k, 37);
    int n = 5 * Backend.SLICE_ROWS;
    long bytes = w.encoding().byteSize(n, k);
    HostTensor first = HostTensor.of("first", w.encoding(), n, k, w.data().asSlice(0, bytes));
    for (int tokens : new int[] {1, 2, 5, 19, 64}) {
      Values x = Values.normal(tokens, k, 41);
      rig.compare(
          b -> {
            Tensor in = b.input("x", x);
            Tensor weight = b.weight(w);
            Tensor out = b.output("out", tokens, n, product(x, first));
            return ops -> ops.matmul(in, weight.slice("first", 0, n), out);
          });
    }
  }

  /** Sizes nobody chose; a seed gives the same again. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
  void matmulOfRandomSizes(int seed) {
    Random random = new Random(seed);
    for (Encoding encoding : Encoding.all()) {
      int tokens = 1 + random.nextInt(random.nextBoolean() ? 8 : 70);
      int n = 1 + random.nextInt(90);
      int k = encoding.blockElements() * (1 + random.nextInt(768 / encoding.blockElements()));
      compareMatmul(Values.normal(tokens, k, seed), rig.weight(encoding, n, k, seed));
    }
  }

  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void matmulOfZeroMaximalDenormalAndNegativeBlocks(String encoding) {
    int k = 3 * Math.max(encoding(encoding).blockElements(), 32);
    HostTensor w = Weights.special(rig.arena(), encoding(encoding), 15, k, 13);
    for (int tokens : new int[] {1, 4, 19}) {
      compareMatmul(Values.normal(tokens, k, 17), w);
    }
  }

  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void matmulOfZerosHugeAndTinyActivations(String encoding) {
    int k = 2 * Math.max(encoding(encoding).blockElements(), 32);
    HostTensor w = rig.weight(encoding(encoding), 9, k, 19);
    Values rows =
        new Values(
            4,
            k,
            variant -> {
              float[] x = Values.normal(4, k, 23).of(variant);
              float[] scale = {0, 1e6f, 1e-6f, 1};
              for (int i = 0; i < x.length; i++) {
                x[i] *= scale[i / k];
              }
              return x;
            });
    compareMatmul(rows, w);
  }

  @ParameterizedTest
  @CsvSource({"Q4_K, 1, 9, 7168", "Q8_0, 3, 6, 4096", "F16, 2, 5, 7168", "FP8_E4M3, 5, 140, 1408"})
  void longRows(String encoding, int tokens, int n, int k) {
    compareMatmul(Values.normal(tokens, k, 29), rig.weight(encoding(encoding), n, k, 31));
  }

  /** Of a prompt: rows enough for the largest tiles that a backend has. */
  @ParameterizedTest
  @CsvSource({
    // encoding, T, n, k
    "F16, 256, 512, 64",
    "F16, 300, 530, 360",
    "BF16, 257, 513, 100",
    "FP8_E4M3, 256, 520, 300",
    "Q4_0, 260, 512, 96",
    "Q4_1, 256, 530, 96",
    "Q5_0, 256, 530, 160",
    "Q5_1, 260, 512, 320",
    "Q8_0, 300, 520, 416",
    "Q4_K, 260, 520, 512",
    "Q5_K, 256, 512, 256",
    "Q6_K, 256, 513, 768",
    "IQ4_XS, 256, 512, 256"
  })
  void matmulOfManyRows(String encoding, int tokens, int n, int k) {
    compareMatmul(Values.normal(tokens, k, 29), rig.weight(encoding(encoding), n, k, 31));
  }

  private void compareMatmul(Values x, HostTensor w) {
    int n = (int) w.rows();
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor weight = b.weight(w);
          Tensor out = b.output("out", x.rows(), n, product(x, w));
          return ops -> ops.matmul(in, weight, out);
        });
  }

  /**
   * A token's result must not depend on what else is in a small step, or a verified draft could
   * differ from the same token decoded alone: as near as F32 sums in another order.
   */
  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void aRowOfManyEqualsTheRowAlone(String encoding) {
    int k = 2 * Math.max(encoding(encoding).blockElements(), 64);
    int n = 37;
    HostTensor w = rig.weight(encoding(encoding), n, k, 37);
    double[] wNorm = Weights.norms(w);
    Values one = Values.normal(1, k, 41);
    float[] alone = run(one, w, n);
    for (int tokens : TOKENS) {
      float[] repeated = new float[tokens * k];
      for (int t = 0; t < tokens; t++) {
        System.arraycopy(one.of(0), 0, repeated, t * k, k);
      }
      float[] together = run(Values.literal(tokens, k, repeated), w, n);
      double xNorm = Weights.norm(repeated, 0, k);
      double xMax = 0;
      for (int i = 0; i < k; i++) {
        xMax = Math.max(xMax, Math.abs(repeated[i]));
      }
      for (int i = 0; i < together.length; i++) {
        Assertions.assertEquals(
            alone[i % n],
            together[i],
            Tolerance.halves(w.encoding(), tokens)
                ? Tolerance.product(w.encoding(), tokens, k, xNorm, xMax, wNorm[i % n])
                : 1e-6 * xNorm * wNorm[i % n],
            "row " + i / n + " of " + tokens + ", column " + i % n);
      }
    }
  }

  private float[] run(Values x, HostTensor w, int n) {
    return rig.results(
            b -> {
              Tensor in = b.input("x", x);
              Tensor weight = b.weight(w);
              Tensor out = b.output("out", x.rows(), n, Tolerance.exact());
              return ops -> ops.matmul(in, weight, out);
            })
        .getFirst();
  }

  @ParameterizedTest
  @CsvSource({
    // encoding, T, heads, n' per head, k, x stride, x offset, out stride, out offset
    "F32, 1, 1, 1, 1, 1, 0, 1, 0",
    "F32, 3, 4, 24, 16, 24, 0, 40, 0",
    "F32, 5, 3, 7, 5, 9, 4, 11, 2",
    "F16, 17, 2, 33, 24, 40, 8, 33, 0",
    "BF16, 8, 16, 64, 32, 48, 0, 72, 0",
    "FP8_E4M3, 4, 2, 128, 64, 96, 0, 160, 32",
    "FP8_E4M3, 2, 3, 50, 130, 130, 0, 50, 0",
    "Q8_0, 2, 4, 48, 32, 40, 0, 56, 0",
    "Q8_0, 33, 3, 5, 64, 64, 0, 5, 0",
    "Q4_0, 3, 2, 16, 96, 128, 32, 16, 0",
    "Q4_K, 4, 2, 12, 256, 256, 0, 16, 4",
    "Q6_K, 1, 5, 3, 512, 512, 0, 3, 0",
    "BF16, 256, 2, 512, 72, 80, 4, 520, 3"
  })
  void matmulPerHead(
      String encoding,
      int tokens,
      int heads,
      int n,
      int k,
      int xStride,
      int xOffset,
      int outStride,
      int outOffset) {
    HostTensor w = rig.weight(encoding(encoding), heads * n, k, 43);
    Values x = Values.normal(tokens, heads * xStride, 47);
    Tolerance tolerance = productPerHead(x, xOffset, w, heads, outStride, outOffset);
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor weight = b.weight(w);
          Tensor out = b.inOut("out", Values.normal(tokens, heads * outStride, 53), tolerance);
          return ops -> ops.matmulPerHead(in, xOffset, weight, heads, out, outOffset);
        });
  }

  @ParameterizedTest
  @CsvSource({
    "F32, 1, 64, 24, 1e-5",
    "F32, 5, 33, 7, 1e-5",
    "F16, 17, 64, 40, 1e-5",
    "BF16, 64, 32, 31, 1e-5",
    "FP8_E4M3, 3, 200, 130, 1e-5",
    "Q8_0, 2, 64, 96, 0.03",
    "Q4_K, 1, 256, 50, 0.03",
    "Q5_0, 33, 96, 64, 0.03",
    "Q5_1, 33, 96, 64, 0.08"
  })
  void gatedMlp(String encoding, int tokens, int h, int f, double epsilon) {
    Values x = Values.normal(tokens, h, 59);
    HostTensor gate = rig.weight(encoding(encoding), f, h, 61);
    HostTensor up = rig.weight(encoding(encoding), f, h, 67);
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor g = b.weight(gate);
          Tensor u = b.weight(up);
          Tensor out = b.output("out", tokens, f, ofRow(withHalves(epsilon, encoding, tokens)));
          return ops -> ops.gatedMlp(in, g, u, out);
        });
  }

  @ParameterizedTest
  @CsvSource({
    "F32, 1, 64, 24, 1e-5",
    "F32, 5, 33, 7, 1e-5",
    "F16, 17, 64, 40, 1e-5",
    "BF16, 64, 32, 31, 1e-5",
    "FP8_E4M3, 3, 200, 130, 1e-5",
    "Q8_0, 2, 64, 96, 0.02",
    "Q4_K, 1, 256, 50, 0.02",
    "Q6_K, 33, 256, 64, 0.03"
  })
  void rmsNormMatmul(String encoding, int tokens, int h, int n, double epsilon) {
    Values x = Values.normal(tokens, h, 71, 0.1, 3);
    HostTensor norm = rig.weight(Encoding.F32, 1, h, 73);
    HostTensor weight = rig.weight(encoding(encoding), n, h, 79);
    rig.compare(
        b -> {
          Tensor in = b.input("x", x);
          Tensor g = b.weight(norm);
          Tensor w = b.weight(weight);
          Tensor out = b.output("out", tokens, n, ofRow(withHalves(epsilon, encoding, tokens)));
          return ops -> ops.rmsNormMatmul(in, g, 1e-6f, w, out);
        });
  }

  /**
   * What was uploaded is what was meant: rows read back through {@code embed}. Encodings that the
   * backend does not multiply may lose what F16 cannot hold.
   */
  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void uploadKeepsTheNumbers(String encoding) {
    int block = encoding(encoding).blockElements();
    int cols = block == 1 ? 131 : 2 * block;
    int rows = 131;
    for (boolean special : new boolean[] {false, true}) {
      HostTensor w =
          special
              ? Weights.special(rig.arena(), encoding(encoding), rows, cols, 83)
              : rig.weight(encoding(encoding), rows, cols, 89);
      Values wanted = Values.literal(rows, cols, Dequantizer.all(w));
      float[] order = new float[rows];
      for (int i = 0; i < rows; i++) {
        order[i] = i;
      }
      rig.compare(
          b -> {
            Tensor table = b.weight(w);
            Assertions.assertEquals(rows, table.rows());
            Assertions.assertEquals(cols, table.cols());
            Tensor row = b.integers("row", Values.literal(1, rows, order));
            Tolerance kept =
                table.encoding().equals(w.encoding()) ? ofRow(1e-6) : ofRow(0x1p-10, 0x1p-25);
            Tensor out = b.output("out", rows, cols, near(wanted, kept));
            return ops -> ops.embed(table, row, out);
          });
    }
  }
}
