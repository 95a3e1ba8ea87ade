package dev.yuzui.backend.reference;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.Optional;

/** The mixture of experts: gate, permutation, products, sum. */
final class Experts {
  private Experts() {}

  static void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    Matrix from = Matrix.of(logits);
    float[] extra = bias.map(b -> Matrix.of(b).row(0)).orElse(new float[rule.experts()]);
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix chosen = Matrix.of(ids);
    Matrix weight = Matrix.of(weights);
    for (int t = 0; t < from.rows(); t++) {
      int[] best = new int[rule.used()];
      double[] w = new double[rule.used()];
      if (sequence.integer(0, t) < 0) {
        Arrays.fill(best, -1);
      } else {
        double[] scores = scores(from.row(t), rule.scoring());
        best = choose(scores, extra, rule);
        w = weights(scores, best, rule);
      }
      for (int k = 0; k < best.length; k++) {
        chosen.setInteger(t, k, best[k]);
      }
      weight.set(t, w);
    }
  }

  private static double[] weights(double[] scores, int[] best, GateRule rule) {
    double sum = 0;
    for (int e : best) {
      sum += scores[e];
    }
    double by = rule.scale() / (rule.normalise() ? sum + 1e-20 : 1);
    return Arrays.stream(best).mapToDouble(e -> scores[e] * by).toArray();
  }

  static void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    Matrix from = Matrix.of(logits);
    Matrix named = Matrix.of(table);
    Matrix token = Matrix.of(batch.token());
    Matrix sequence = Matrix.of(batch.sequence());
    Matrix chosen = Matrix.of(ids);
    Matrix weight = Matrix.of(weights);
    for (int t = 0; t < from.rows(); t++) {
      int[] best = new int[rule.used()];
      double[] w = new double[rule.used()];
      if (sequence.integer(0, t) < 0) {
        Arrays.fill(best, -1);
      } else {
        int row = token.integer(0, t);
        Arrays.setAll(best, k -> named.integer(row, k));
        w = weights(scores(from.row(t), rule.scoring()), best, rule);
      }
      for (int k = 0; k < best.length; k++) {
        chosen.setInteger(t, k, best[k]);
      }
      weight.set(t, w);
    }
  }

  private static double[] scores(float[] logits, GateRule.Scoring scoring) {
    double[] s = ReferenceOps.doubles(logits);
    switch (scoring) {
      case SOFTMAX -> Attention.softmax(s);
      case SIGMOID -> Arrays.setAll(s, e -> 1 / (1 + Math.exp(-s[e])));
      case SQRT_SOFTPLUS ->
          Arrays.setAll(
              s, e -> Math.sqrt(Math.max(s[e], 0) + Math.log1p(Math.exp(-Math.abs(s[e])))));
    }
    return s;
  }

  private static int[] choose(double[] scores, float[] bias, GateRule rule) {
    double[] selection = new double[scores.length];
    Arrays.setAll(selection, e -> scores[e] + bias[e]);
    int size = rule.experts() / rule.groups();
    double[] group = new double[rule.groups()];
    Arrays.setAll(
        group,
        g -> {
          double[] members = Arrays.copyOfRange(selection, g * size, (g + 1) * size);
          Arrays.sort(members);
          return switch (rule.groupScore()) {
            case MAX -> members[size - 1];
            case TOP2_SUM -> members[size - 1] + (size > 1 ? members[size - 2] : 0);
          };
        });
    boolean[] kept = new boolean[rule.groups()];
    for (int g : best(group, rule.groupsUsed())) {
      kept[g] = true;
    }
    for (int e = 0; e < selection.length; e++) {
      if (!kept[e / size]) {
        selection[e] = Double.NEGATIVE_INFINITY;
      }
    }
    return best(selection, rule.used());
  }

  /** Indices of the {@code count} largest values, best first, ties to the lower index. */
  static int[] best(double[] values, int count) {
    int[] best = new int[count];
    boolean[] taken = new boolean[values.length];
    for (int k = 0; k < count; k++) {
      int top = -1;
      for (int i = 0; i < values.length; i++) {
        if (!taken[i] && (top < 0 || values[i] > values[top])) {
          top = i;
        }
      }
      taken[top] = true;
      best[k] = top;
    }
    return best;
  }

  /** Counting sort of the slots by expert. */
  static void permute(Tensor ids, Dispatch out) {
    Matrix expert = Matrix.of(ids);
    Matrix offset = Matrix.of(out.offset());
    Matrix slot = Matrix.of(out.slot());
    Matrix place = Matrix.of(out.place());
    int next = 0;
    for (int e = 0; e < out.experts(); e++) {
      offset.setInteger(0, e, next);
      for (int s = 0; s < out.slots(); s++) {
        if (expert.integer(s / out.used(), s % out.used()) == e) {
          slot.setInteger(0, next, s);
          place.setInteger(0, s, next);
          next++;
        }
      }
    }
    offset.setInteger(0, out.experts(), next);
    for (int s = 0; s < out.slots(); s++) {
      if (expert.integer(s / out.used(), s % out.used()) < 0) {
        place.setInteger(0, s, -1);
      }
    }
  }

  /** out[i] = x[row of i]·w[e]ᵀ for i from offset[e] to offset[e+1] − 1. */
  static void groupedMatmul(
      Tensor x, Ops.Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    float[][] from = ReferenceOps.rows(Matrix.of(x));
    Matrix offset = Matrix.of(dispatch.offset());
    Matrix slot = Matrix.of(dispatch.slot());
    Matrix to = Matrix.of(out);
    double[] y = new double[1];
    for (int e = 0; e < w.count(); e++) {
      int begin = offset.integer(0, e);
      int end = offset.integer(0, e + 1);
      if (begin == end) {
        continue;
      }
      Matrix weight = Matrix.of(w.experts().get(e));
      for (int n = 0; n < weight.rows(); n++) {
        float[] wn = weight.row(n);
        for (int i = begin; i < end; i++) {
          int row =
              switch (gather) {
                case BY_TOKEN -> slot.integer(0, i) / dispatch.used();
                case IN_PLACE -> i;
              };
          y[0] = Matrix.dot(from[row], 0, wn, 0, wn.length);
          to.set(i, n, y);
        }
      }
    }
  }

  /** out[t] = base[t] + Σk weights[t, k]·y[place[t·K + k]] */
  static void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    Matrix expert = Matrix.of(y);
    Matrix place = Matrix.of(dispatch.place());
    Matrix weight = Matrix.of(weights);
    Matrix to = Matrix.of(out);
    for (int t = 0; t < to.rows(); t++) {
      int row = t;
      double[] sum =
          base.map(b -> ReferenceOps.doubles(Matrix.of(b).row(row)))
              .orElseGet(() -> new double[to.cols()]);
      float[] w = weight.row(t);
      for (int k = 0; k < w.length; k++) {
        int p = place.integer(0, t * dispatch.used() + k);
        if (p >= 0) {
          float[] from = expert.row(p);
          for (int i = 0; i < sum.length; i++) {
            sum[i] += (double) w[k] * from[i];
          }
        }
      }
      to.set(t, sum);
    }
  }
}
