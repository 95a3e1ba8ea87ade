package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.relative;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GateRule.GroupScore;
import dev.yuzui.spi.GateRule.Scoring;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Which experts a token picks, and with what weights. */
public abstract class GateConformance extends Conformance {
  /** What each backend has. */
  private static final Scoring[] EVERYWHERE = {Scoring.SOFTMAX, Scoring.SIGMOID};

  static Stream<Arguments> rules() {
    int[][] sizes = {
      // experts, used, groups, groups used
      {1, 1, 1, 1},
      {8, 2, 1, 1},
      {64, 6, 1, 1},
      {160, 6, 8, 3},
      {256, 8, 8, 4},
      {384, 8, 1, 1},
      {12, 4, 3, 2},
      {5, 5, 5, 5},
      {16, 4, 4, 1}
    };
    return Stream.of(EVERYWHERE)
        .flatMap(
            scoring ->
                Stream.of(GroupScore.values())
                    .flatMap(
                        group ->
                            Stream.of(sizes)
                                .map(s -> Arguments.of(scoring, group, s[0], s[1], s[2], s[3]))));
  }

  @ParameterizedTest
  @MethodSource("rules")
  void route(Scoring scoring, GroupScore group, int experts, int used, int groups, int kept) {
    for (boolean biased : new boolean[] {false, true}) {
      GateRule rule =
          new GateRule(scoring, experts, used, groups, kept, group, biased, biased ? 2.5f : 1f);
      routes(rule, biased, 19, 3, distinct(19, experts));
    }
  }

  @ParameterizedTest
  @CsvSource({"true, 1", "false, 1", "true, 16", "false, 0.5"})
  void routeNormalisesAndScales(boolean normalise, float scale) {
    GateRule rule = new GateRule(Scoring.SOFTMAX, 16, 4, 1, 1, GroupScore.MAX, normalise, scale);
    routes(rule, false, 1, 0, distinct(1, 16));
    routes(rule, true, 65, 1, distinct(65, 16));
  }

  /** Logits far enough from each other that F32 orders them as double does. */
  static Values distinct(int tokens, int experts) {
    return new Values(
        tokens,
        experts,
        variant -> {
          Random random = new Random(experts + 7L * variant);
          List<Integer> order = new ArrayList<>(IntStream.range(0, experts).boxed().toList());
          float[] x = new float[tokens * experts];
          for (int t = 0; t < tokens; t++) {
            Collections.shuffle(order, random);
            for (int e = 0; e < experts; e++) {
              x[t * experts + e] = 6f * order.get(e) / experts - 3;
            }
          }
          return x;
        });
  }

  /** Reorders experts, yet never by as little as a rounding. */
  private static float[] bias(int experts) {
    float[] bias = new float[experts];
    for (int e = 0; e < experts; e++) {
      bias[e] = 0.037f * (e * 7 % 11 - 5);
    }
    return bias;
  }

  private void routes(GateRule rule, boolean biased, int tokens, int padding, Values logits) {
    float[] bias = bias(rule.experts());
    rig.compare(
        b -> {
          Tensor in = b.input("logits", logits);
          Optional<Tensor> extra =
              biased ? Optional.of(b.vector(rig.arena(), "bias", bias)) : Optional.empty();
          StepBatch batch = b.step(Steps.plain(tokens, padding));
          Tensor ids = b.integerOutput("ids", tokens, rule.used());
          Tensor weights = b.output("weights", tokens, rule.used(), relative(1e-5));
          return ops -> ops.route(in, extra, rule, batch, ids, weights);
        });
  }

  /** The router's product is the identity's, so that the logits are exactly what was drawn. */
  @ParameterizedTest
  @CsvSource({
    // T, padding, E, K, groups, groups used, biased
    "1, 0, 64, 6, 1, 1, false",
    "1, 0, 256, 8, 8, 4, true",
    "5, 2, 12, 4, 3, 2, true",
    "8, 0, 64, 6, 1, 1, true",
    "19, 3, 160, 6, 8, 3, false"
  })
  void gateIsTheProductAndTheChoice(
      int tokens, int padding, int experts, int used, int groups, int kept, boolean biased) {
    for (Scoring scoring : EVERYWHERE) {
      GateRule rule =
          new GateRule(
              scoring, experts, used, groups, kept, GroupScore.TOP2_SUM, biased, biased ? 2.5f : 1);
      float[] identity = new float[experts * experts];
      for (int e = 0; e < experts; e++) {
        identity[e * experts + e] = 1;
      }
      float[] bias = bias(experts);
      rig.compare(
          b -> {
            Tensor x = b.input("x", distinct(tokens, experts));
            Tensor w =
                b.weight(
                    Weights.of(rig.arena(), "router", Encoding.F32, experts, experts, identity));
            Optional<Tensor> extra =
                biased ? Optional.of(b.vector(rig.arena(), "bias", bias)) : Optional.empty();
            StepBatch batch = b.step(Steps.plain(tokens, padding));
            Tensor ids = b.integerOutput("ids", tokens, used);
            Tensor weights = b.output("weights", tokens, used, relative(1e-5));
            return ops -> ops.gate(x, w, extra, rule, batch, ids, weights);
          });
    }
  }

  /** What follows in a step: a backend may do both at once where the step is recorded. */
  @ParameterizedTest
  @CsvSource({
    "1, 0, 64, 6, 1, 1",
    "8, 1, 256, 8, 8, 4",
    "3, 0, 300, 7, 1, 1",
    "19, 3, 160, 6, 8, 3"
  })
  void whatTheGateChoseIsSorted(
      int tokens, int padding, int experts, int used, int groups, int kept) {
    GateRule rule =
        new GateRule(Scoring.SIGMOID, experts, used, groups, kept, GroupScore.TOP2_SUM, true, 2.5f);
    float[] identity = new float[experts * experts];
    for (int e = 0; e < experts; e++) {
      identity[e * experts + e] = 1;
    }
    rig.compare(
        b -> {
          Tensor x = b.input("x", distinct(tokens, experts));
          Tensor w =
              b.weight(Weights.of(rig.arena(), "router", Encoding.F32, experts, experts, identity));
          StepBatch batch = b.step(Steps.plain(tokens, padding));
          Tensor ids = b.integerOutput("ids", tokens, used);
          Tensor weights = b.output("weights", tokens, used, relative(1e-5));
          Dispatch dispatch = b.dispatch(experts, tokens, used);
          return ops -> {
            ops.gate(x, w, Optional.empty(), rule, batch, ids, weights);
            ops.permute(ids, dispatch);
          };
        });
  }

  /** With a router of random numbers the weights follow the product; all experts are picked. */
  @ParameterizedTest
  @CsvSource({"1, 0, 2048, 6, F32", "8, 1, 333, 5, F32", "9, 0, 64, 7, BF16", "3, 0, 7168, 8, F32"})
  void gateOfEveryWidth(int tokens, int padding, int h, int experts, String encoding) {
    GateRule rule = new GateRule(Scoring.SIGMOID, experts, experts, 1, 1, GroupScore.MAX, true, 1);
    // a bias far apart fixes the order, whatever the logits
    float[] bias = new float[experts];
    for (int e = 0; e < experts; e++) {
      bias[e] = 2 * (e * 3 % experts);
    }
    var router = rig.weight(encoding(encoding), experts, h, 5);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(tokens, h, 3, 0, 0.05));
          Tensor w = b.weight(router);
          Tensor extra = b.vector(rig.arena(), "bias", bias);
          StepBatch batch = b.step(Steps.plain(tokens, padding));
          Tensor ids = b.integerOutput("ids", tokens, experts);
          Tensor weights = b.output("weights", tokens, experts, relative(1e-4));
          return ops -> ops.gate(x, w, Optional.of(extra), rule, batch, ids, weights);
        });
  }

  @Test
  void routeOfKnownNumbers() {
    // sigmoid(0) = 1/2, sigmoid(ln 3) = 3/4; the bias lifts expert 0 but is no part of its weight
    known(Scoring.SIGMOID, true, 2.5f, 0.5 / 1.25 * 2.5, 0.75 / 1.25 * 2.5);
    known(Scoring.SIGMOID, false, 2.5f, 0.5 * 2.5, 0.75 * 2.5);
    // softmax of 0, −∞ and ln 3: 1/4, 0 and 3/4
    known(Scoring.SOFTMAX, false, 16f, 0.25 * 16, 0.75 * 16);
    // softplus(0) = ln 2, softplus(ln 3) = ln 4
    double first = Math.sqrt(Math.log(2));
    double second = Math.sqrt(Math.log(4));
    known(Scoring.SQRT_SOFTPLUS, false, 2.5f, first * 2.5, second * 2.5);
    double both = first + second;
    known(Scoring.SQRT_SOFTPLUS, true, 1.5f, first / both * 1.5, second / both * 1.5);
  }

  private void known(Scoring scoring, boolean normalise, float scale, double first, double second) {
    GateRule rule = new GateRule(scoring, 3, 2, 1, 1, GroupScore.MAX, normalise, scale);
    rig.compare(
        b -> {
          Tensor logits = b.input("logits", Values.literal(1, 3, 0, -90, Math.log(3)));
          Tensor bias = b.vector(rig.arena(), "bias", 1, 0, 0);
          StepBatch batch = b.step(Steps.plain(1, 0));
          Tensor ids = b.integerOutput("ids", 1, 2, Values.literal(1, 2, 0, 2));
          Values wanted = Values.literal(1, 2, first, second);
          Tensor weights = b.output("weights", 1, 2, near(wanted, relative(1e-5)));
          return ops -> ops.route(logits, Optional.of(bias), rule, batch, ids, weights);
        });
  }

  @Test
  void aGroupIsScoredByItsBestOrByItsTwoBest() {
    // group 0 has the best expert, group 1 the best two
    Values logits = Values.literal(1, 4, 3, -3, 2, 1.9);
    for (GroupScore score : GroupScore.values()) {
      GateRule rule = new GateRule(Scoring.SIGMOID, 4, 2, 2, 1, score, false, 1);
      double[] wanted = score == GroupScore.MAX ? new double[] {0, 1} : new double[] {2, 3};
      rig.compare(
          b -> {
            Tensor in = b.input("logits", logits);
            StepBatch batch = b.step(Steps.plain(1, 0));
            Tensor ids = b.integerOutput("ids", 1, 2, Values.literal(1, 2, wanted));
            Tensor weights = b.output("weights", 1, 2, relative(1e-5));
            return ops -> ops.route(in, Optional.empty(), rule, batch, ids, weights);
          });
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "4, 2"})
  void tiesGoToTheLowerIndex(int groups, int kept) {
    GateRule rule = new GateRule(Scoring.SOFTMAX, 8, 3, groups, kept, GroupScore.MAX, true, 1);
    Values logits = Values.literal(2, 8, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 0, 2, 0, 2, 0, 2);
    double[] wanted =
        groups == 1 ? new double[] {0, 1, 2, 1, 3, 5} : new double[] {0, 1, 2, 1, 3, 0};
    rig.compare(
        b -> {
          Tensor in = b.input("logits", logits);
          StepBatch batch = b.step(Steps.plain(2, 0));
          Tensor ids = b.integerOutput("ids", 2, 3, Values.literal(2, 3, wanted));
          Tensor weights = b.output("weights", 2, 3, relative(1e-5));
          return ops -> ops.route(in, Optional.empty(), rule, batch, ids, weights);
        });
  }

  @ParameterizedTest
  @CsvSource({"SOFTMAX", "SQRT_SOFTPLUS"})
  void routeOfLargeLogitsStaysFinite(Scoring scoring) {
    GateRule rule = new GateRule(scoring, 4, 2, 1, 1, GroupScore.MAX, true, 1);
    rig.compare(
        b -> {
          Tensor in = b.input("logits", Values.literal(1, 4, 300, 299, -300, 298));
          StepBatch batch = b.step(Steps.plain(1, 0));
          Tensor ids = b.integerOutput("ids", 1, 2);
          Tensor weights = b.output("weights", 1, 2, relative(1e-5));
          return ops -> ops.route(in, Optional.empty(), rule, batch, ids, weights);
        });
  }

  /** Rows, padding, experts, used, tokens that there are. */
  @ParameterizedTest
  @CsvSource({"1, 0, 256, 6, 1000", "19, 3, 64, 6, 7", "5, 5, 8, 2, 3", "70, 0, 384, 6, 100"})
  void routeByToken(int tokens, int padding, int experts, int used, int vocabulary) {
    float[] table = new float[vocabulary * used];
    for (int i = 0; i < vocabulary; i++) {
      for (int k = 0; k < used; k++) {
        table[i * used + k] = (i * 5 + k * 7) % experts;
      }
    }
    Values named = Values.integers(1, tokens, vocabulary, 3);
    for (Scoring scoring : Scoring.values()) {
      GateRule rule =
          new GateRule(scoring, experts, used, 1, 1, GroupScore.MAX, scoring != Scoring.SIGMOID, 2);
      rig.compare(
          b -> {
            Tensor logits = b.input("logits", Values.normal(tokens, experts, 2, 0, 3));
            Tensor rows = b.integers("table", Values.literal(vocabulary, used, table));
            StepBatch batch = tokens(b.step(Steps.plain(tokens, padding)), b.integers("id", named));
            Tensor ids = b.integerOutput("ids", tokens, used);
            Tensor weights = b.output("weights", tokens, used, relative(1e-5));
            return ops -> ops.routeByToken(logits, rows, rule, batch, ids, weights);
          });
    }
  }

  private static StepBatch tokens(StepBatch b, Tensor token) {
    return new StepBatch(token, b.position(), b.sequence(), b.kvLength(), b.pages(), b.outputRow());
  }

  @Test
  void routeByTokenOfKnownNumbers() {
    // softplus(ln(e − 1)) = 1 and softplus(ln(e⁴ − 1)) = 4
    GateRule rule = new GateRule(Scoring.SQRT_SOFTPLUS, 3, 2, 1, 1, GroupScore.MAX, true, 1.5f);
    Values logits =
        Values.literal(2, 3, 50, Math.log(Math.expm1(1)), Math.log(Math.expm1(4)), 60, 70, 80);
    rig.compare(
        b -> {
          Tensor in = b.input("logits", logits);
          Tensor table = b.integers("table", Values.literal(2, 2, 0, 0, 2, 1));
          StepBatch batch =
              tokens(b.step(Steps.plain(2, 1)), b.integers("id", Values.literal(1, 2, 1, 0)));
          Tensor ids = b.integerOutput("ids", 2, 2, Values.literal(2, 2, 2, 1, -1, -1));
          Values wanted = Values.literal(2, 2, 1, 0.5, 0, 0);
          Tensor weights = b.output("weights", 2, 2, near(wanted, relative(1e-5)));
          return ops -> ops.routeByToken(in, table, rule, batch, ids, weights);
        });
  }
}
