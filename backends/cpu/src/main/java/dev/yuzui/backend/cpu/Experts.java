package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.Optional;

/** Picking experts, sorting rows by expert, and adding up what the experts made. */
final class Experts {
  private Experts() {}

  /** {@link dev.yuzui.spi.Ops#route}. Lane memory: scores and selection, E floats each. */
  static Op route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    long in = HostBuffer.address(logits);
    long biasAt = bias.map(HostBuffer::address).orElse(0L);
    long sequence = HostBuffer.address(batch.sequence());
    long idAt = HostBuffer.address(ids);
    long weightAt = HostBuffer.address(weights);
    int experts = rule.experts();
    int used = rule.used();
    return new RowOp(logits.rows(), 32L * experts) {
      @Override
      void row(int t, Lane lane) {
        long id = idAt + 4L * t * used;
        long weight = weightAt + 4L * t * used;
        if (Memory.i32(sequence + 4L * t) < 0) {
          for (int k = 0; k < used; k++) {
            Memory.i32(id + 4L * k, -1);
            Memory.f32(weight + 4L * k, 0);
          }
          return;
        }
        long scores = lane.memory();
        long choice = scores + 4L * experts;
        score(rule, in + 4L * t * experts, scores);
        for (int e = 0; e < experts; e++) {
          float b = biasAt == 0 ? 0 : Memory.f32(biasAt + 4L * e);
          Memory.f32(choice + 4L * e, Memory.f32(scores + 4L * e) + b);
        }
        if (rule.groups() > 1) {
          dropGroups(rule, choice, choice + 4L * experts);
        }
        pick(rule, scores, choice, id, weight);
      }
    };
  }

  /** {@link dev.yuzui.spi.Ops#routeByToken}. Lane memory: scores, E floats. */
  static Op routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    long in = HostBuffer.address(logits);
    Matrix named = Matrix.of(table);
    long token = HostBuffer.address(batch.token());
    long sequence = HostBuffer.address(batch.sequence());
    long idAt = HostBuffer.address(ids);
    long weightAt = HostBuffer.address(weights);
    int experts = rule.experts();
    int used = rule.used();
    return new RowOp(logits.rows(), 32L * experts) {
      @Override
      void row(int t, Lane lane) {
        boolean padding = Memory.i32(sequence + 4L * t) < 0;
        long scores = lane.memory();
        if (!padding) {
          score(rule, in + 4L * t * experts, scores);
        }
        float sum = 0;
        for (int k = 0; k < used; k++) {
          long at = 4L * (t * (long) used + k);
          int e = padding ? -1 : Memory.i32(named.row(Memory.i32(token + 4L * t)) + 4L * k);
          if (e >= experts || e < 0 && !padding) {
            throw new BackendException(
                table + " names expert " + e + " for a token of row " + t,
                "experts must be below " + experts);
          }
          float s = padding ? 0 : Memory.f32(scores + 4L * e);
          Memory.i32(idAt + at, e);
          Memory.f32(weightAt + at, s);
          sum += s;
        }
        scale(rule, sum, weightAt + 4L * t * used);
      }
    };
  }

  private static void scale(GateRule rule, float sum, long weight) {
    float by = rule.normalise() ? rule.scale() / (sum + 1e-20f) : rule.scale();
    for (int k = 0; k < rule.used(); k++) {
      Memory.f32(weight + 4L * k, Memory.f32(weight + 4L * k) * by);
    }
  }

  private static void score(GateRule rule, long logits, long scores) {
    int experts = rule.experts();
    double max = Double.NEGATIVE_INFINITY;
    for (int e = 0; e < experts; e++) {
      max = Math.max(max, Memory.f32(logits + 4L * e));
    }
    double sum = 0;
    for (int e = 0; e < experts; e++) {
      double z = Memory.f32(logits + 4L * e);
      double s =
          switch (rule.scoring()) {
            case SOFTMAX -> Math.exp(z - max);
            case SIGMOID -> 1 / (1 + Math.exp(-z));
            case SQRT_SOFTPLUS -> Math.sqrt(Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
          };
      sum += s;
      Memory.f32(scores + 4L * e, (float) s);
    }
    if (rule.scoring() == GateRule.Scoring.SOFTMAX) {
      float by = (float) (1 / sum);
      for (int e = 0; e < experts; e++) {
        Memory.f32(scores + 4L * e, Memory.f32(scores + 4L * e) * by);
      }
    }
  }

  /** Sets the choices of all but the best groups to −∞. */
  private static void dropGroups(GateRule rule, long choice, long groupScores) {
    int size = rule.experts() / rule.groups();
    for (int g = 0; g < rule.groups(); g++) {
      float best = Float.NEGATIVE_INFINITY;
      float second = Float.NEGATIVE_INFINITY;
      for (int e = g * size; e < (g + 1) * size; e++) {
        float s = Memory.f32(choice + 4L * e);
        if (s > best) {
          second = best;
          best = s;
        } else if (s > second) {
          second = s;
        }
      }
      float score =
          switch (rule.groupScore()) {
            case MAX -> best;
            case TOP2_SUM -> size > 1 ? best + second : best;
          };
      Memory.f32(groupScores + 4L * g, score);
    }
    for (int g = 0; g < rule.groups(); g++) {
      float mine = Memory.f32(groupScores + 4L * g);
      int better = 0;
      for (int other = 0; other < rule.groups(); other++) {
        float s = Memory.f32(groupScores + 4L * other);
        better += s > mine || s == mine && other < g ? 1 : 0;
      }
      if (better >= rule.groupsUsed()) {
        for (int e = g * size; e < (g + 1) * size; e++) {
          Memory.f32(choice + 4L * e, Float.NEGATIVE_INFINITY);
        }
      }
    }
  }

  private static void pick(GateRule rule, long scores, long choice, long id, long weight) {
    float sum = 0;
    for (int k = 0; k < rule.used(); k++) {
      int best = 0;
      float value = Memory.f32(choice);
      for (int e = 1; e < rule.experts(); e++) {
        float s = Memory.f32(choice + 4L * e);
        // a chosen expert is NaN and never wins; it loses to anything, −∞ of a dropped group too
        if (s > value || Float.isNaN(value)) {
          best = e;
          value = s;
        }
      }
      Memory.f32(choice + 4L * best, Float.NaN);
      float s = Memory.f32(scores + 4L * best);
      Memory.i32(id + 4L * k, best);
      Memory.f32(weight + 4L * k, s);
      sum += s;
    }
    scale(rule, sum, weight);
  }

  /** {@link dev.yuzui.spi.Ops#permute}: a counting sort, in one piece. */
  static Op permute(Tensor ids, Dispatch out) {
    long id = HostBuffer.address(ids);
    long offset = HostBuffer.address(out.offset());
    long slot = HostBuffer.address(out.slot());
    long place = HostBuffer.address(out.place());
    int experts = out.experts();
    int slots = out.slots();
    int[] next = new int[experts + 1];
    return new Op() {
      @Override
      int chunks() {
        return 1;
      }

      @Override
      void run(int chunk, Lane lane) {
        Arrays.fill(next, 0);
        for (int s = 0; s < slots; s++) {
          int e = Memory.i32(id + 4L * s);
          if (e >= 0) {
            next[e + 1]++;
          }
        }
        for (int e = 0; e < experts; e++) {
          next[e + 1] += next[e];
        }
        for (int e = 0; e <= experts; e++) {
          Memory.i32(offset + 4L * e, next[e]);
        }
        for (int s = 0; s < slots; s++) {
          int e = Memory.i32(id + 4L * s);
          int at = e < 0 ? -1 : next[e]++;
          Memory.i32(place + 4L * s, at);
          if (at >= 0) {
            Memory.i32(slot + 4L * at, s);
          }
        }
      }
    };
  }

  /** {@link dev.yuzui.spi.Ops#combine}. */
  static Op combine(
      RowKernels kernels,
      Tensor y,
      Dispatch dispatch,
      Tensor weights,
      Optional<Tensor> base,
      Tensor out) {
    long in = HostBuffer.address(y);
    long place = HostBuffer.address(dispatch.place());
    long weight = HostBuffer.address(weights);
    long to = HostBuffer.address(out);
    long baseAt = base.map(HostBuffer::address).orElse(0L);
    int cols = Math.toIntExact(out.cols());
    int used = dispatch.used();
    return new RowOp(out.rows(), 4L * cols * (used + 1)) {
      @Override
      void row(int t, Lane lane) {
        long row = to + 4L * t * cols;
        if (baseAt == 0) {
          kernels.zero(row, cols);
        } else if (baseAt != to) {
          Memory.copy(baseAt + 4L * t * cols, row, 4L * cols);
        }
        for (int s = t * used; s < (t + 1) * used; s++) {
          int at = Memory.i32(place + 4L * s);
          if (at >= 0) {
            kernels.addScaled(in + 4L * at * cols, Memory.f32(weight + 4L * s), row, cols);
          }
        }
      }
    };
  }
}
