package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.exact;
import static dev.yuzui.kit.Tolerance.near;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.yuzui.spi.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The best of each row of logits. */
public abstract class SamplingConformance extends Conformance {
  private static final double NEVER = Double.NEGATIVE_INFINITY;

  @Test
  void topKOfKnownNumbers() {
    known(
        Values.literal(2, 5, 1, 5, -3, 5, 2, -1, -2, -3, -4, -5),
        Values.literal(2, 3, 1, 3, 4, 0, 1, 2),
        Values.literal(2, 3, 5, 5, 2, -1, -2, -3));
  }

  @Test
  void tiesGoToTheLowerColumn() {
    known(
        Values.literal(1, 6, 0, 7, 7, 7, 0, 7),
        Values.literal(1, 5, 1, 2, 3, 5, 0),
        Values.literal(1, 5, 7, 7, 7, 7, 0));
    known(
        Values.fill(3, 1000, -2),
        Values.literal(3, 4, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3),
        Values.fill(3, 4, -2));
  }

  @Test
  void notANumberCountsAsMinusInfinity() {
    double nan = Double.NaN;
    double most = Double.POSITIVE_INFINITY;
    known(
        Values.literal(2, 5, nan, 3, NEVER, most, nan, nan, nan, nan, nan, nan),
        Values.literal(2, 5, 3, 1, 0, 2, 4, 0, 1, 2, 3, 4),
        Values.literal(2, 5, most, 3, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER));
  }

  private void known(Values logits, Values wantedIds, Values wanted) {
    int k = wantedIds.cols();
    rig.compare(
        b -> {
          Tensor in = b.input("logits", logits);
          Tensor ids = b.integerOutput("ids", logits.rows(), k, wantedIds);
          Tensor values = b.output("values", logits.rows(), k, near(wanted, exact()));
          return ops -> ops.topK(in, ids, values);
        });
  }

  @ParameterizedTest
  @CsvSource({
    // M, V, k
    "1, 1, 1",
    "1, 7, 7",
    "1, 128, 128",
    "3, 129, 128",
    "5, 1001, 2",
    "2, 4099, 17",
    "64, 320, 1",
    "1, 102400, 1",
    "1, 129280, 40",
    "3, 102401, 128",
    "8, 20011, 64"
  })
  void topK(int rows, int vocabulary, int k) {
    // of few different numbers, so that most columns tie
    for (Values logits :
        List.of(
            Values.normal(rows, vocabulary, 3, 0, 4), Values.integers(rows, vocabulary, 9, 5))) {
      rig.compare(
          b -> {
            Tensor in = b.input("logits", logits);
            Tensor ids = b.integerOutput("ids", rows, k);
            Tensor values = b.output("values", rows, k, exact());
            return ops -> ops.topK(in, ids, values);
          });
    }
  }

  /** Rising rows, falling rows, and all of the best in one stretch: nothing hides from a block. */
  @ParameterizedTest
  @CsvSource({"1", "32", "128"})
  void topKWhereverTheBestLie(int k) {
    int vocabulary = 30_000;
    double[] x = new double[3 * vocabulary];
    for (int i = 0; i < vocabulary; i++) {
      x[i] = i;
      x[vocabulary + i] = -i;
      x[2 * vocabulary + i] = i >= 17_000 && i < 17_000 + k ? 1000 + i : i % 100;
    }
    List<float[]> got =
        rig.results(
            b -> {
              Tensor in = b.input("logits", Values.literal(3, vocabulary, x));
              Tensor ids = b.integerOutput("ids", 3, k);
              Tensor values = b.output("values", 3, k, exact());
              return ops -> ops.topK(in, ids, values);
            });
    float[] wanted = new float[3 * k];
    for (int i = 0; i < k; i++) {
      wanted[i] = vocabulary - 1 - i;
      wanted[k + i] = i;
      wanted[2 * k + i] = 17_000 + k - 1 - i;
    }
    assertArrayEquals(wanted, got.getFirst());
  }
}
