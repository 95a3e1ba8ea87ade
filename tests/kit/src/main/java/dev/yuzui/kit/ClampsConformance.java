package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Feed-forward networks whose activation sees no more than a limit. */
public abstract class ClampsConformance extends Conformance {

  @ParameterizedTest
  @CsvSource({"1, 64, 1", "3, 37, 0.5", "19, 2048, 10", "5, 4096, 1"})
  void clampedSiluMul(int tokens, int cols, float limit) {
    rig.compare(
        b -> {
          Tensor gate = b.input("gate", Values.normal(tokens, cols, 1, 0, 2 * limit));
          Tensor up = b.input("up", Values.normal(tokens, cols, 2, 0, 2 * limit));
          Tensor out = b.output("out", tokens, cols, ofRow(1e-5));
          return ops -> ops.clampedSiluMul(gate, up, limit, out);
        });
  }

  @Test
  void inPlace() {
    rig.compare(
        b -> {
          Tensor gate = b.inOut("gate", Values.normal(3, 300, 1, 0, 2), ofRow(1e-5));
          Tensor up = b.input("up", Values.normal(3, 300, 2, 0, 2));
          return ops -> ops.clampedSiluMul(gate, up, 1, gate);
        });
  }

  /** A gate is bounded from above alone, the other factor on both sides; NaN stays. */
  @Test
  void clampsOfKnownNumbers() {
    double top = 2 / (1 + Math.exp(-2));
    double below = -5 / (1 + Math.exp(5));
    double nan = Double.NaN;
    Values wanted = Values.literal(1, 7, top * 2, top * -2, below * 1.5, 0, top * -1, nan, nan);
    rig.compare(
        b -> {
          Tensor gate = b.input("gate", Values.literal(1, 7, 3, 1000, -5, -1000, 2, nan, 3));
          Tensor up = b.input("up", Values.literal(1, 7, 7, -7, 1.5, 1, -1, 1, nan));
          Tensor out = b.output("out", 1, 7, near(wanted, absolute(1e-5)));
          return ops -> ops.clampedSiluMul(gate, up, 2, out);
        });
  }

  /** Encodings of weights, rows, sizes, the limit. */
  @ParameterizedTest
  @CsvSource({
    "F32, 1, 64, 24, 3",
    "F32, 5, 33, 7, 0.5",
    "F32, 33, 64, 40, 3",
    "F16, 1, 64, 40, 3",
    "F16, 17, 64, 40, 3",
    "Q8_0, 2, 64, 96, 2",
    "Q8_0, 40, 64, 96, 2",
    "Q4_K, 1, 256, 50, 4",
    "Q4_K, 33, 256, 50, 4",
    "MXFP4, 3, 96, 64, 4",
    "IQ2_XXS, 1, 256, 64, 4"
  })
  void gatedMlp(String encoding, int tokens, int h, int f, float limit) {
    HostTensor gate = rig.weight(encoding(encoding), f, h, 61);
    HostTensor up = rig.weight(encoding(encoding), f, h, 67);
    Values in = Values.normal(tokens, h, 59);
    Tolerance tolerance = absolute(hidden(in, List.of(gate, up), limit));
    rig.compare(
        b -> {
          Tensor x = b.input("x", in);
          Tensor g = b.weight(gate);
          Tensor u = b.weight(up);
          Tensor out = b.output("out", tokens, f, tolerance);
          return ops -> ops.gatedMlp(x, g, u, limit, out);
        });
  }

  /**
   * What silu(gate)·up may be off by where both products are within their bound: its derivatives
   * are below 1.1 of what the other factor can be.
   */
  private static double hidden(Values x, List<HostTensor> weights, float limit) {
    return 2.2 * limit * ExpertsConformance.bound(x, weights) + 1e-5 * limit * limit;
  }

  @Test
  void noLimit() {
    HostTensor gate = rig.weight(encoding("F32"), 24, 64, 61);
    HostTensor up = rig.weight(encoding("F32"), 24, 64, 67);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(4, 64, 59));
          Tensor g = b.weight(gate);
          Tensor u = b.weight(up);
          Tensor out = b.output("out", 4, 24, ofRow(1e-5));
          return ops -> ops.gatedMlp(x, g, u, Float.POSITIVE_INFINITY, out);
        });
  }

  /** Encodings of both, tokens, experts, used, padding, who chooses whom, sizes, the limit. */
  @ParameterizedTest
  @CsvSource({
    "F32, F32, 1, 64, 6, 0, spread, 48, 32, 3",
    "F32, F32, 33, 16, 4, 3, half, 48, 32, 3",
    "F16, F16, 7, 4, 3, 0, first, 72, 40, 3",
    "Q8_0, Q8_0, 1, 6, 3, 0, spread, 64, 96, 2",
    "Q8_0, Q8_0, 64, 6, 2, 0, spread, 64, 32, 2",
    "Q4_K, Q4_K, 3, 8, 2, 1, spread, 256, 256, 4",
    "MXFP4, MXFP4, 1, 6, 6, 0, spread, 64, 96, 4",
    "MXFP4, MXFP4, 20, 6, 3, 0, spread, 64, 96, 4",
    "IQ2_XXS, Q2_K, 1, 6, 3, 0, spread, 256, 256, 4",
    "IQ2_XXS, Q2_K, 9, 4, 2, 0, elsewhere, 256, 256, 4"
  })
  void expertFfn(
      String gateUp,
      String downs,
      int tokens,
      int experts,
      int used,
      int padding,
      String shape,
      int h,
      int f,
      float limit) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    List<HostTensor> gate = experts(gateUp, experts, f, h, 400);
    List<HostTensor> up = experts(gateUp, experts, f, h, 700);
    List<HostTensor> down = experts(downs, experts, h, f, 1000);
    Values in = Values.normal(tokens, h, 19);
    List<HostTensor> both = Stream.concat(gate.stream(), up.stream()).toList();
    double norm =
        down.stream().flatMapToDouble(w -> DoubleStream.of(Weights.norms(w))).max().orElse(0);
    double most = limit * limit;
    Tolerance tolerance =
        absolute(
            norm * hidden(in, both, limit)
                + Tolerance.product(
                    encoding(downs), tokens * used, f, most * Math.sqrt(f), most, norm));
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", chosen);
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          Tensor x = b.input("x", Choices.nanWithoutExperts(chosen, in));
          ExpertWeights g = b.experts(gate);
          ExpertWeights u = b.experts(up);
          ExpertWeights d = b.experts(down);
          Tensor out = b.output("out", tokens * used, h, tolerance);
          return ops -> {
            ops.permute(ids, dispatch);
            ops.expertFfn(x, g, u, d, limit, dispatch, out);
          };
        });
  }

  private List<HostTensor> experts(String encoding, int count, int rows, int cols, long seed) {
    return IntStream.range(0, count)
        .mapToObj(i -> rig.weight(encoding(encoding), rows, cols, seed + i))
        .toList();
  }
}
