package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;
import static dev.yuzui.kit.Tolerance.relative;
import static dev.yuzui.kit.Tolerance.withHalves;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GateRule.GroupScore;
import dev.yuzui.spi.GateRule.Scoring;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Permutation, experts, sum. */
public abstract class ExpertsConformance extends Conformance {
  static final List<String> ENCODINGS = Encoding.all().stream().map(Encoding::label).toList();

  // ---- the permutation --------------------------------------------------------------------------

  @Test
  void permuteOfKnownNumbers() {
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", Values.literal(3, 2, 2, 0, -1, -1, 0, 2));
          Dispatch dispatch =
              new Dispatch(
                  b.integerOutput("offset", 1, 5, Values.literal(1, 5, 0, 2, 2, 4, 4)),
                  b.integerRow("slot", 6, Values.literal(1, 4, 1, 4, 0, 5)),
                  b.integerOutput("place", 1, 6, Values.literal(1, 6, 2, 0, -1, -1, 1, 3)),
                  2);
          return ops -> ops.permute(ids, dispatch);
        });
  }

  @Test
  void permuteLeavesOutWhatIsElsewhere() {
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", Values.literal(3, 2, -1, 1, 0, -1, 1, 0));
          Dispatch dispatch =
              new Dispatch(
                  b.integerOutput("offset", 1, 4, Values.literal(1, 4, 0, 2, 4, 4)),
                  b.integerRow("slot", 6, Values.literal(1, 4, 2, 5, 1, 4)),
                  b.integerOutput("place", 1, 6, Values.literal(1, 6, -1, 2, 0, -1, 3, 1)),
                  2);
          return ops -> ops.permute(ids, dispatch);
        });
  }

  /** Long steps are sorted in several parts. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
  void permuteOfAnyNumberOfChoices(int used) {
    permute(2, 2, used, 0, "elsewhere");
    permute(140, 3, used, 1, "elsewhere");
    permute(4800 / used, 2, used, 0, "elsewhere");
  }

  @ParameterizedTest
  @MethodSource("dev.yuzui.kit.Choices#all")
  void permute(int tokens, int experts, int used, int padding, String shape) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", chosen);
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          return ops -> ops.permute(ids, dispatch);
        });
  }

  // ---- products ---------------------------------------------------------------------------------

  private List<HostTensor> experts(String encoding, int count, int rows, int cols, long seed) {
    Encoding e = encoding(encoding);
    return IntStream.range(0, count).mapToObj(i -> rig.weight(e, rows, cols, seed + i)).toList();
  }

  /** Within what a product of any of the rows with any of the experts may be off. */
  static double bound(Values x, List<HostTensor> experts) {
    double wNorm = 0;
    for (HostTensor w : experts) {
      for (double norm : Weights.norms(w)) {
        wNorm = Math.max(wNorm, norm);
      }
    }
    double bound = 0;
    for (int variant = 0; variant < Values.VARIANTS; variant++) {
      float[] values = x.of(variant);
      double max = 0;
      for (float v : values) {
        max = Math.max(max, Math.abs(v));
      }
      for (int t = 0; t < x.rows(); t++) {
        double xNorm = Weights.norm(values, t * x.cols(), x.cols());
        Encoding e = experts.getFirst().encoding();
        bound = Math.max(bound, Tolerance.product(e, x.rows(), x.cols(), xNorm, max, wNorm));
      }
    }
    return bound;
  }

  @Test
  void groupedMatmulOfKnownNumbers() {
    // tokens choose (1, 2) and (1, 0): expert 0 has token 1, 1 has both, 2 has token 0
    Values chosen = Values.literal(2, 2, 1, 2, 1, 0);
    List<HostTensor> tenfold =
        IntStream.range(0, 3)
            .mapToObj(
                e ->
                    Weights.of(
                        rig.arena(),
                        "w",
                        Encoding.F32,
                        1,
                        1,
                        new float[] {(float) Math.pow(10, e)}))
            .toList();
    Values byToken = Values.literal(2, 1, 3, 5);
    Values inPlace = Values.literal(4, 1, 1, 2, 3, 4);
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", chosen);
          Dispatch dispatch = b.dispatch(3, 2, 2);
          ExpertWeights w = b.experts(tenfold);
          Tensor tokens = b.input("tokens", byToken);
          Tensor places = b.input("places", inPlace);
          Tensor first =
              b.output("first", 4, 1, near(Values.literal(4, 1, 5, 30, 50, 300), relative(1e-6)));
          Tensor second =
              b.output("second", 4, 1, near(Values.literal(4, 1, 1, 20, 30, 400), relative(1e-6)));
          return ops -> {
            ops.permute(ids, dispatch);
            ops.groupedMatmul(tokens, Ops.Gather.BY_TOKEN, w, dispatch, first);
            ops.groupedMatmul(places, Ops.Gather.IN_PLACE, w, dispatch, second);
          };
        });
  }

  @ParameterizedTest
  @MethodSource("dev.yuzui.kit.Choices#all")
  void groupedMatmulByTokenAndInPlace(
      int tokens, int experts, int used, int padding, String shape) {
    for (String encoding : List.of("F32", "Q8_0")) {
      grouped(encoding, tokens, experts, used, padding, shape, 7, 64);
    }
  }

  @ParameterizedTest
  @FieldSource("ENCODINGS")
  void groupedMatmulOfEveryEncoding(String encoding) {
    int block = encoding(encoding).blockElements();
    int k = block == 1 ? 77 : 2 * block;
    grouped(encoding, 1, 5, 3, 0, "spread", 33, k);
    grouped(encoding, 9, 3, 2, 1, "spread", 6, k);
    grouped(encoding, 40, 4, 1, 0, "half", 5, k);
  }

  /** Of a prompt: rows enough for the largest tiles that a backend has, and experts without any. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "F16",
        "BF16",
        "FP8_E4M3",
        "Q4_0",
        "Q4_1",
        "Q5_0",
        "Q5_1",
        "Q8_0",
        "Q4_K",
        "Q5_K",
        "Q6_K",
        "IQ4_XS"
      })
  void groupedMatmulOfManyRows(String encoding) {
    int block = encoding(encoding).blockElements();
    int k = block == 1 ? 77 : block == 32 ? 96 : block;
    grouped(encoding, 300, 6, 2, 3, "spread", 40, k);
    grouped(encoding, 600, 4, 1, 0, "half", 20, k);
  }

  private void grouped(
      String encoding, int tokens, int experts, int used, int padding, String shape, int n, int k) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    List<HostTensor> weights = experts(encoding, experts, n, k, 300);
    for (Ops.Gather gather : Ops.Gather.values()) {
      int rows = gather == Ops.Gather.BY_TOKEN ? tokens : tokens * used;
      Values x = Values.normal(rows, k, 17);
      // rows of no expert stay as they were
      Tolerance tolerance = Tolerance.absolute(bound(x, weights));
      Values given = gather == Ops.Gather.BY_TOKEN ? Choices.nanWithoutExperts(chosen, x) : x;
      rig.compare(
          b -> {
            Tensor ids = b.integers("ids", chosen);
            Dispatch dispatch = b.dispatch(experts, tokens, used);
            Tensor in = b.input("x", given);
            ExpertWeights w = b.experts(weights);
            Tensor out = b.output("out", tokens * used, n, tolerance);
            return ops -> {
              ops.permute(ids, dispatch);
              ops.groupedMatmul(in, gather, w, dispatch, out);
            };
          });
    }
  }

  @Test
  void combineOfKnownNumbersWithUnevenGates() {
    // slots of token 0 lie at places 2 and 0, those of token 2 at 1 and 3; token 1 is padding
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", Values.literal(3, 2, 2, 0, -1, -1, 0, 2));
          Dispatch dispatch = b.dispatch(4, 3, 2);
          Tensor y = b.input("y", Values.literal(6, 1, 1, 10, 100, 1000, Double.NaN, Double.NaN));
          Values gates = Values.literal(3, 2, 0.75, 0.25, Double.NaN, Double.NaN, 0.5, 2);
          Tensor weights = b.input("weights", gates);
          Values wanted = Values.literal(3, 1, 0.75 * 100 + 0.25 * 1, 0, 0.5 * 10 + 2 * 1000);
          Tensor out = b.output("out", 3, 1, near(wanted, relative(1e-6)));
          return ops -> {
            ops.permute(ids, dispatch);
            ops.combine(y, dispatch, weights, Optional.empty(), out);
          };
        });
  }

  @ParameterizedTest
  @MethodSource("dev.yuzui.kit.Choices#all")
  void combineOnABase(int tokens, int experts, int used, int padding, String shape) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    for (int cols : new int[] {37, 40}) {
      combine(chosen, experts, cols, Optional.of(Values.normal(tokens, cols, 9)), false);
      combine(chosen, experts, cols, Optional.of(Values.normal(tokens, cols, 9)), true);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.yuzui.kit.Choices#all")
  void combine(int tokens, int experts, int used, int padding, String shape) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    for (int cols : new int[] {37, 40}) {
      combine(chosen, experts, cols, Optional.empty(), false);
    }
  }

  private void combine(
      Values chosen, int experts, int cols, Optional<Values> bases, boolean inPlace) {
    int tokens = chosen.rows();
    int used = chosen.cols();
    Values gates = Choices.nanWithoutExpert(chosen, Values.normal(tokens, used, 6));
    Tolerance tolerance = ofRow(1e-6 * (used + 1));
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", chosen);
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          Tensor y = b.input("y", Values.normal(tokens * used, cols, 5));
          Tensor weights = b.input("weights", gates);
          Tensor out =
              inPlace
                  ? b.inOut("out", bases.orElseThrow(), tolerance)
                  : b.output("out", tokens, cols, tolerance);
          Optional<Tensor> base = inPlace ? Optional.of(out) : bases.map(v -> b.input("base", v));
          return ops -> {
            ops.permute(ids, dispatch);
            ops.combine(y, dispatch, weights, base, out);
          };
        });
  }

  /** As a layer ends and the next begins: a backend may do both at once where it is recorded. */
  @ParameterizedTest
  @CsvSource({
    "1, 8, 6, 2048, true",
    "1, 8, 6, 2048, false",
    "3, 16, 4, 516, true",
    "5, 9, 2, 37, true",
    "2, 12, 8, 4096, true",
    "1, 4, 2, 8192, true"
  })
  void whatTheExpertsGaveIsAddedAndNormalised(
      int tokens, int experts, int used, int cols, boolean based) {
    Tolerance tolerance = ofRow(1e-6 * (used + 2));
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", Choices.ids(tokens, experts, used, 0, "spread"));
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          Tensor y = b.input("y", Values.normal(tokens * used, cols, 5));
          Tensor weights = b.input("weights", Values.normal(tokens, used, 6));
          Tensor update = b.inOut("update", Values.normal(tokens, cols, 7), tolerance);
          Tensor x = b.inOut("x", Values.normal(tokens, cols, 8), tolerance);
          Tensor norm = b.weight(rig.weight(Encoding.F32, 1, cols, 9));
          Tensor out = b.output("out", tokens, cols, tolerance);
          return ops -> {
            ops.permute(ids, dispatch);
            ops.combine(
                y, dispatch, weights, based ? Optional.of(update) : Optional.empty(), update);
            ops.addRmsNorm(x, update, norm, 1e-6f, out);
          };
        });
  }

  @ParameterizedTest
  @MethodSource("dev.yuzui.kit.Choices#all")
  void expertFfnOfEveryShape(int tokens, int experts, int used, int padding, String shape) {
    ffn("F32", "F32", tokens, experts, used, padding, shape, 48, 32, 2e-5);
    ffn("Q8_0", "Q8_0", tokens, experts, used, padding, shape, 32, 64, 0.06);
  }

  @ParameterizedTest
  @CsvSource({
    "F16, F16, 72, 40, 2e-5",
    "BF16, BF16, 33, 31, 2e-5",
    "FP8_E4M3, FP8_E4M3, 200, 130, 2e-5",
    "Q4_K, Q6_K, 256, 256, 0.04",
    "Q4_K, Q5_0, 256, 96, 0.04",
    "Q5_K, Q5_1, 256, 96, 0.08",
    "Q2_K, Q3_K, 512, 256, 0.04",
    "IQ4_XS, IQ4_NL, 256, 64, 0.04",
    "Q5_K, Q8_0, 256, 352, 0.04"
  })
  void expertFfnInMixedEncodings(String gateUp, String down, int h, int f, double epsilon) {
    ffn(gateUp, down, 1, 6, 3, 0, "spread", h, f, epsilon);
    ffn(gateUp, down, 11, 4, 2, 2, "half", h, f, epsilon);
    ffn(gateUp, down, 5, 2, 6, 0, "elsewhere", h, f, epsilon);
  }

  private void ffn(
      String gateUp,
      String down,
      int tokens,
      int experts,
      int used,
      int padding,
      String shape,
      int h,
      int f,
      double epsilon) {
    Values chosen = Choices.ids(tokens, experts, used, padding, shape);
    List<HostTensor> gates = experts(gateUp, experts, f, h, 400);
    List<HostTensor> ups = experts(gateUp, experts, f, h, 700);
    List<HostTensor> downs = experts(down, experts, h, f, 1000);
    rig.compare(
        b -> {
          Tensor ids = b.integers("ids", chosen);
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          Tensor x = b.input("x", Choices.nanWithoutExperts(chosen, Values.normal(tokens, h, 19)));
          ExpertWeights g = b.experts(gates);
          ExpertWeights u = b.experts(ups);
          ExpertWeights d = b.experts(downs);
          // rows of no expert stay as they were
          Tensor out =
              b.output("out", tokens * used, h, ofRow(withHalves(epsilon, gateUp, tokens * used)));
          return ops -> {
            ops.permute(ids, dispatch);
            ops.expertFfn(x, g, u, d, dispatch, out);
          };
        });
  }

  /** The whole of a layer's experts, from logits to the sum, in one recording. */
  @ParameterizedTest
  @CsvSource({"1, 0", "5, 2", "34, 0"})
  void fromLogitsToTheSum(int tokens, int padding) {
    GateRule rule = new GateRule(Scoring.SIGMOID, 12, 3, 4, 2, GroupScore.TOP2_SUM, true, 2.5f);
    List<HostTensor> gates = experts("BF16", 12, 24, 40, 400);
    List<HostTensor> ups = experts("BF16", 12, 24, 40, 700);
    List<HostTensor> downs = experts("BF16", 12, 40, 24, 1000);
    rig.compare(
        b -> {
          Tensor logits = b.input("logits", GateConformance.distinct(tokens, 12));
          Tensor x = b.input("x", Values.normal(tokens, 40, 19));
          StepBatch batch = b.step(Steps.plain(tokens, padding));
          Tensor ids = b.integerOutput("ids", tokens, 3);
          Tensor weights = b.output("weights", tokens, 3, relative(1e-5));
          Dispatch dispatch = b.dispatch(12, tokens, 3);
          ExpertWeights g = b.experts(gates);
          ExpertWeights u = b.experts(ups);
          ExpertWeights d = b.experts(downs);
          Tensor out = b.output("out", tokens, 40, ofRow(withHalves(4e-5, "BF16", 3 * tokens)));
          return ops -> {
            try (var frame = ops.scratch().frame()) {
              Tensor y = ops.scratch().f32("y", tokens * 3L, 40);
              ops.route(logits, Optional.empty(), rule, batch, ids, weights);
              ops.permute(ids, dispatch);
              ops.expertFfn(x, g, u, d, dispatch, y);
              ops.combine(y, dispatch, weights, Optional.empty(), out);
            }
          };
        });
  }
}
