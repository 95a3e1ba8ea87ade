package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Launch;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** route, gate_f32, combine, and the permute kernels. */
final class ExpertCases {
  private ExpertCases() {}

  static List<KernelCase> all() {
    Rule softmax = new Rule(40, 6, 1, 1, 0, false, false, 1);
    Rule grouped = new Rule(64, 4, 8, 3, 0, false, false, 16);
    Rule sigmoid = new Rule(128, 8, 8, 4, 1, true, true, 2.5f);
    Rule wide = new Rule(300, 12, 1, 1, 0, false, true, 1);
    Rule many = new Rule(512, 16, 32, 5, 1, true, true, 1);
    Rule softplus = new Rule(256, 6, 1, 1, 2, false, true, 1.5f);
    Rule few = new Rule(40, 6, 1, 1, 2, false, true, 1.5f);
    List<KernelCase> cases = new ArrayList<>();
    cases.add(new KernelCase("route", "softplus", d -> route(d, softplus, true)));
    cases.add(new KernelCase("route", "softplus, few", d -> route(d, few, false)));
    cases.add(new KernelCase("gate_f32", "softplus", d -> gate(d, softplus, 3, 61, true)));
    cases.add(new KernelCase("gate_f32", "softplus, few", d -> gate(d, few, 1, 132, false)));
    cases.add(new KernelCase("route", "300 experts", d -> route(d, wide, true)));
    cases.add(new KernelCase("route", "32 groups of 16", d -> route(d, many, true)));
    cases.add(new KernelCase("gate_f32", "one token, long", d -> gate(d, softmax, 1, 5252, false)));
    cases.add(new KernelCase("gate_f32", "two, long", d -> gate(d, softmax, 2, 5252, false)));
    cases.add(new KernelCase("gate_f32", "four, long", d -> gate(d, softmax, 4, 5252, false)));
    cases.add(new KernelCase("gate_f32", "seven, long", d -> gate(d, softmax, 7, 5252, true)));
    cases.add(
        new KernelCase("gate_f32", "two, long and odd", d -> gate(d, softmax, 2, 1301, false)));
    cases.add(
        new KernelCase("gate_f32", "four, long and odd", d -> gate(d, softmax, 4, 1301, false)));
    cases.add(
        new KernelCase("gate_f32", "one, long and odd", d -> gate(d, softmax, 1, 1301, false)));
    cases.add(
        new KernelCase("gate_f32", "five, long and odd", d -> gate(d, softmax, 5, 1301, false)));
    cases.add(new KernelCase("route", "softmax", d -> route(d, softmax, false)));
    cases.add(new KernelCase("route", "best groups", d -> route(d, grouped, false)));
    cases.add(new KernelCase("route", "sigmoid, bias, two best", d -> route(d, sigmoid, true)));
    cases.add(new KernelCase("gate_f32", "one token", d -> gate(d, softmax, 1, 132, false)));
    cases.add(new KernelCase("gate_f32", "two tokens", d -> gate(d, grouped, 2, 132, false)));
    cases.add(new KernelCase("gate_f32", "four tokens", d -> gate(d, sigmoid, 4, 96, true)));
    cases.add(new KernelCase("gate_f32", "eight, odd columns", d -> gate(d, sigmoid, 8, 61, true)));
    cases.add(new KernelCase("gate_f32", "one, odd columns", d -> gate(d, softmax, 1, 61, false)));
    cases.add(new KernelCase("gate_f32", "two, odd columns", d -> gate(d, softmax, 2, 61, false)));
    cases.add(
        new KernelCase("gate_f32", "three, odd columns", d -> gate(d, softmax, 3, 61, false)));
    cases.add(
        new KernelCase(
            "gate_f32", "one token, sorted", d -> gate(d, softmax, 1, 132, false, true)));
    cases.add(
        new KernelCase("gate_f32", "eight, sorted", d -> gate(d, sigmoid, 8, 64, true, true)));
    cases.add(new KernelCase("gate_f32", "four, sorted", d -> gate(d, wide, 4, 64, false, true)));
    String both = "combine_add_rms_norm";
    cases.add(new KernelCase(both, "260", d -> combineAndNorm(d, Groups.some(4), 260, true)));
    cases.add(
        new KernelCase(both, "odd columns", d -> combineAndNorm(d, Groups.some(4), 37, true)));
    cases.add(
        new KernelCase(both, "29 experts", d -> combineAndNorm(d, random(10, 29, 40), 68, false)));
    cases.add(
        new KernelCase(
            both, "29 experts, odd", d -> combineAndNorm(d, random(10, 29, 40), 35, false)));
    cases.add(
        new KernelCase(both, "long rows", d -> combineAndNorm(d, Groups.some(3), 9000, true)));
    cases.add(
        new KernelCase(
            both, "29 experts, wide rows", d -> combineAndNorm(d, random(2, 29, 40), 8192, true)));
    cases.add(
        new KernelCase(
            "combine", "columns by four, with a base", d -> combine(d, Groups.some(4), 260, true)));
    cases.add(new KernelCase("combine", "odd columns", d -> combine(d, Groups.some(4), 37, false)));
    cases.add(
        new KernelCase("combine", "29 experts", d -> combine(d, random(10, 29, 40), 68, true)));
    cases.add(
        new KernelCase(
            "combine", "29 experts, odd", d -> combine(d, random(10, 29, 40), 35, true)));
    cases.add(
        new KernelCase("permute", "more experts than threads", d -> permute(d, 80, 8, 1100, 256)));
    cases.add(
        new KernelCase(
            "combine", "29 experts, alone", d -> combine(d, random(10, 29, 40), 68, false)));
    cases.add(
        new KernelCase(
            "combine", "29 experts, odd, alone", d -> combine(d, random(10, 29, 40), 35, false)));
    cases.add(new KernelCase("permute", "one round", d -> permute(d, 12, 6, 20, 256)));
    cases.add(new KernelCase("permute", "four rounds", d -> permute(d, 300, 4, 40, 1024)));
    cases.add(new KernelCase("permute_count", "two blocks", d -> permuteBlocks(d, 300, 24)));
    cases.add(new KernelCase("permute_place", "six blocks", d -> permuteBlocks(d, 1500, 700)));
    return cases;
  }

  /** GateRule's numbers. */
  private record Rule(
      int experts,
      int used,
      int groups,
      int groupsUsed,
      int scoring,
      boolean twoBest,
      boolean normalise,
      float scale) {

    Launch put(Launch launch) {
      return launch
          .i(experts, used, groups, groupsUsed, scoring, twoBest ? 1 : 0)
          .i(normalise ? 1 : 0)
          .f(scale);
    }

    int shared() {
      return 4 * (experts + groups);
    }

    double[] scores(double[] logits) {
      double most = IntStream.range(0, experts).mapToDouble(e -> logits[e]).max().orElseThrow();
      double sum = IntStream.range(0, experts).mapToDouble(e -> Math.exp(logits[e] - most)).sum();
      return IntStream.range(0, experts)
          .mapToDouble(
              e ->
                  switch (scoring) {
                    case 0 -> Math.exp(logits[e] - most) / sum;
                    case 1 -> 1 / (1 + Math.exp(-logits[e]));
                    default -> Math.sqrt(Math.log1p(Math.exp(logits[e])));
                  })
          .toArray();
    }

    /** The chosen, best first, of equal ones the lower. */
    List<Integer> choose(double[] scores, Optional<float[]> bias) {
      double[] s = scores.clone();
      for (int e = 0; e < experts; e++) {
        s[e] += bias.isPresent() ? bias.get()[e] : 0;
      }
      int size = experts / groups;
      List<Integer> kept =
          IntStream.range(0, groups)
              .boxed()
              .sorted(Comparator.comparingDouble((Integer g) -> -groupScore(s, g, size)))
              .limit(groupsUsed)
              .toList();
      return IntStream.range(0, experts)
          .filter(e -> groups == 1 || kept.contains(e / size))
          .boxed()
          .sorted(Comparator.comparingDouble((Integer e) -> -s[e]))
          .limit(used)
          .toList();
    }

    private double groupScore(double[] s, int group, int size) {
      double[] sorted =
          IntStream.range(group * size, (group + 1) * size)
              .mapToDouble(e -> -s[e])
              .sorted()
              .toArray();
      return -(twoBest ? sorted[0] + sorted[1] : sorted[0]);
    }
  }

  private static void check(
      Rule rule,
      double[] logits,
      Optional<float[]> bias,
      int t,
      int sequence,
      GlobalBuffer ids,
      GlobalBuffer weights) {
    double[] scores = rule.scores(logits);
    List<Integer> chosen = rule.choose(scores, bias);
    double sum = chosen.stream().mapToDouble(e -> scores[e]).sum();
    for (int k = 0; k < rule.used(); k++) {
      int at = t * rule.used() + k;
      double score = scores[chosen.get(k)];
      double weight = (rule.normalise() ? score / sum : score) * rule.scale();
      Numbers.close("ids of row " + t, k, ids.i32(at), sequence < 0 ? -1 : chosen.get(k), 0);
      Numbers.close("weights", k, weights.f32(at), sequence < 0 ? 0 : weight, weight * 1e-4);
    }
  }

  private static void route(Device device, Rule rule, boolean biased) {
    int rows = 3;
    int[] sequence = {0, -1, 2};
    Numbers numbers = new Numbers(rule.experts());
    float[] logits = numbers.normal(rows * rule.experts(), 2);
    Optional<float[]> bias =
        biased ? Optional.of(numbers.normal(rule.experts(), 0.3)) : Optional.empty();
    GlobalMemory memory = device.memory();
    GlobalBuffer ids = memory.output("ids", 4L * rows * rule.used());
    GlobalBuffer weights = memory.output("weights", 4L * rows * rule.used());
    Launch launch =
        device
            .launch("route", rows, 1, 1, 32, rule.shared())
            .p(memory.floats("logits", Role.INPUT, logits));
    bias.ifPresentOrElse(b -> launch.p(memory.floats("bias", Role.CONSTANT, b)), launch::none);
    rule.put(launch).p(memory.ints("sequence", Role.INPUT, sequence)).p(ids).p(weights);
    device.run(launch);
    for (int t = 0; t < rows; t++) {
      int row = t * rule.experts();
      double[] of = IntStream.range(0, rule.experts()).mapToDouble(e -> logits[row + e]).toArray();
      check(rule, of, bias, t, sequence[t], ids, weights);
    }
  }

  private static void gate(Device device, Rule rule, int rows, int h, boolean biased) {
    gate(device, rule, rows, h, biased, false);
  }

  /**
   * @param sorts the experts' slots too
   */
  private static void gate(
      Device device, Rule rule, int rows, int h, boolean biased, boolean sorts) {
    Numbers numbers = new Numbers(rule.experts() + rows);
    float[] x = numbers.normal(rows * h, 1);
    float[] w = numbers.normal(rule.experts() * h, 0.2);
    int[] sequence = Numbers.ints(rows, t -> t == 5 ? -1 : t);
    Optional<float[]> bias =
        biased ? Optional.of(numbers.normal(rule.experts(), 0.3)) : Optional.empty();
    GlobalMemory memory = device.memory();
    GlobalBuffer ids = memory.output("ids", 4L * rows * rule.used());
    GlobalBuffer weights = memory.output("weights", 4L * rows * rule.used());
    GlobalBuffer counter = memory.ints("counter", Role.IN_PLACE, 0);
    Launch launch =
        device
            .launch(
                "gate_f32",
                Math.ceilDiv(rule.experts(), rows <= 2 ? 1 : 2),
                1,
                1,
                256,
                Math.max(rows * rule.shared(), sorts ? sortShared(rule.experts(), 256) : 0))
            .p(memory.floats("x", Role.INPUT, x))
            .p(memory.floats("w", Role.CONSTANT, w));
    bias.ifPresentOrElse(b -> launch.p(memory.floats("bias", Role.CONSTANT, b)), launch::none);
    rule.put(launch.i(h))
        .p(memory.ints("sequence", Role.INPUT, sequence))
        .p(ids)
        .p(weights)
        .p(memory.output("logits", 4L * rows * rule.experts()))
        .p(counter)
        .i(rows);
    Optional<Sorted> sorted =
        sorts
            ? Optional.of(Sorted.of(device, rows * rule.used(), rule.experts()))
            : Optional.empty();
    sorted.ifPresentOrElse(s -> s.put(launch), () -> launch.none().none().none());
    device.run(launch);
    for (int t = 0; t < rows; t++) {
      double[] logits = new double[rule.experts()];
      for (int e = 0; e < rule.experts(); e++) {
        for (int c = 0; c < h; c++) {
          logits[e] += (double) x[t * h + c] * w[e * h + c];
        }
      }
      check(rule, logits, bias, t, sequence[t], ids, weights);
    }
    Numbers.close("counter", 0, counter.i32(0), 0, 0);
    int[] chosen = Numbers.ints(rows * rule.used(), ids::i32);
    sorted.ifPresent(s -> s.check(Groups.of(rows, rule.used(), rule.experts(), chosen)));
  }

  /** Bytes on chip that sorting by one block takes. */
  private static int sortShared(int experts, int threads) {
    return 4 * experts + 2 * experts * threads / 32;
  }

  private static void combine(Device device, Groups g, int h, boolean based) {
    int slots = g.tokens() * g.used();
    Numbers numbers = new Numbers(h);
    float[] y = numbers.normal(slots * h, 1);
    float[] weights = numbers.normal(slots, 1);
    float[] base = numbers.normal(g.tokens() * h, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * g.tokens() * h);
    Launch launch =
        device
            .launch("combine", g.tokens(), 1, 1, 256, 0)
            .p(memory.floats("y", Role.INPUT, y))
            .p(memory.ints("place", Role.INPUT, g.place()))
            .p(memory.floats("weights", Role.INPUT, weights));
    if (based) {
      launch.p(memory.floats("base", Role.INPUT, base));
    } else {
      launch.none();
    }
    device.run(launch.p(out).i(g.used(), h));
    Numbers.assertClose(
        out,
        g.tokens() * h,
        i -> {
          double sum = based ? base[i] : 0;
          for (int k = 0; k < g.used(); k++) {
            int slot = i / h * g.used() + k;
            if (g.place()[slot] >= 0) {
              sum += (double) weights[slot] * y[g.place()[slot] * h + i % h];
            }
          }
          return sum;
        },
        _ -> 1e-5);
  }

  /** One launch for the sum of the experts, what it adds to x, and x normalised. */
  private static void combineAndNorm(Device device, Groups g, int h, boolean based) {
    int slots = g.tokens() * g.used();
    Numbers numbers = new Numbers(h);
    float[] y = numbers.normal(slots * h, 1);
    float[] weights = numbers.normal(slots, 1);
    float[] base = numbers.normal(g.tokens() * h, 1);
    float[] x = numbers.normal(g.tokens() * h, 1);
    float[] norm = numbers.normal(h, 1);
    float eps = 1e-6f;
    GlobalMemory memory = device.memory();
    GlobalBuffer update = memory.floats("out", Role.IN_PLACE, base);
    GlobalBuffer stream = memory.floats("x", Role.IN_PLACE, x);
    GlobalBuffer out = memory.output("normed", 4L * g.tokens() * h);
    Launch launch =
        device
            .launch("combine_add_rms_norm", g.tokens(), 1, 1, h <= 512 ? 128 : 512, 0)
            .p(memory.floats("y", Role.INPUT, y))
            .p(memory.ints("place", Role.INPUT, g.place()))
            .p(memory.floats("weights", Role.INPUT, weights));
    if (based) {
      launch.p(update);
    } else {
      launch.none();
    }
    device.run(
        launch
            .p(update)
            .i(g.used(), h)
            .p(stream)
            .p(memory.floats("norm", Role.CONSTANT, norm))
            .f(eps)
            .p(out));
    for (int t = 0; t < g.tokens(); t++) {
      double[] sum = new double[h];
      double squares = 0;
      for (int c = 0; c < h; c++) {
        double added = based ? base[t * h + c] : 0;
        for (int k = 0; k < g.used(); k++) {
          int slot = t * g.used() + k;
          if (g.place()[slot] >= 0) {
            added += (double) weights[slot] * y[g.place()[slot] * h + c];
          }
        }
        Numbers.close("out", t * h + c, update.f32(t * h + c), added, 1e-5);
        sum[c] = x[t * h + c] + added;
        Numbers.close("x", t * h + c, stream.f32(t * h + c), sum[c], 1e-5);
        squares += sum[c] * sum[c];
      }
      for (int c = 0; c < h; c++) {
        double want = sum[c] / Math.sqrt(squares / h + eps) * norm[c];
        Numbers.close("normed", t * h + c, out.f32(t * h + c), want, 1e-5);
      }
    }
  }

  /** Random experts, every ninth token padding. */
  private static Groups random(int tokens, int used, int experts) {
    Numbers numbers = new Numbers(tokens);
    return Groups.of(
        tokens,
        used,
        experts,
        Numbers.ints(
            tokens * used, s -> s / used % 9 == 8 ? -1 : numbers.random().nextInt(experts)));
  }

  private record Sorted(GlobalBuffer offset, GlobalBuffer slot, GlobalBuffer place) {
    static Sorted of(Device device, Groups g) {
      return of(device, g.tokens() * g.used(), g.experts());
    }

    static Sorted of(Device device, int slots, int experts) {
      GlobalMemory memory = device.memory();
      return new Sorted(
          memory.output("offset", 4L * (experts + 1)),
          memory.output("slot", 4L * slots),
          memory.output("place", 4L * slots));
    }

    Launch put(Launch launch) {
      return launch.p(offset).p(slot).p(place);
    }

    void check(Groups g) {
      for (int e = 0; e <= g.experts(); e++) {
        Numbers.close("offset", e, offset.i32(e), g.offset()[e], 0);
      }
      for (int i = 0; i < g.places(); i++) {
        Numbers.close("slot", i, slot.i32(i), g.slot()[i], 0);
      }
      for (int s = 0; s < g.ids().length; s++) {
        Numbers.close("place", s, place.i32(s), g.place()[s], 0);
      }
    }
  }

  private static void permute(Device device, int tokens, int used, int experts, int threads) {
    Groups g = random(tokens, used, experts);
    Sorted sorted = Sorted.of(device, g);
    device.run(
        device
            .launch("permute", 1, 1, 1, threads, sortShared(experts, threads))
            .p(device.memory().ints("ids", Role.INPUT, g.ids()))
            .i(tokens, used, experts)
            .p(sorted.offset())
            .p(sorted.slot())
            .p(sorted.place()));
    sorted.check(g);
  }

  private static void permuteBlocks(Device device, int tokens, int experts) {
    Groups g = random(tokens, 4, experts);
    int parts = Math.ceilDiv(g.ids().length, 1024);
    Sorted sorted = Sorted.of(device, g);
    GlobalMemory memory = device.memory();
    GlobalBuffer ids = memory.ints("ids", Role.INPUT, g.ids());
    GlobalBuffer counts = memory.output("blockCounts", 4L * parts * g.experts());
    device.run(
        device
            .launch("permute_count", parts, 1, 1, 256, 20 * g.experts())
            .p(ids)
            .i(g.tokens(), g.used(), g.experts())
            .p(counts));
    device.run(
        device
            .launch("permute_place", parts, 1, 1, 256, 20 * g.experts())
            .p(ids)
            .i(g.tokens(), g.used(), g.experts())
            .p(device.handOn(counts))
            .p(sorted.offset())
            .p(sorted.slot())
            .p(sorted.place()));
    sorted.check(g);
  }
}
