package dev.yuzui.ptx;

import dev.yuzui.ptx.KvCache.Format;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Launch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Absorbed attention: mla_decode_*, mla_combine and mla_plain_*. */
final class AttentionCases {
  /** Entries of a tile. */
  private static final int TILE = 32;

  private AttentionCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    Shape v2 = new Shape(16, 512, 64);
    Shape small = new Shape(20, 64, 16);
    for (Format f : List.of(Format.F16, Format.BF16, Format.E4M3)) {
      String kernel = "mla_decode_" + f.suffix();
      cases.add(new KernelCase(kernel, "512/64, whole rows", d -> decode(d, f, v2, 1)));
      cases.add(new KernelCase(kernel, "64/16, whole rows", d -> decode(d, f, small, 1)));
      cases.add(new KernelCase(kernel, "64/16, queries in two parts", d -> apart(d, f, small)));
      cases.add(new KernelCase(kernel, "64/16, every count of stages", d -> stages(d, f)));
      cases.add(new KernelCase(kernel, "left out", d -> leftOut(d, f)));
      cases.add(new KernelCase(kernel, "64/0, sinks", d -> withSinks(d, f, 1)));
      cases.add(new KernelCase("mla_combine", f + ", sinks", d -> withSinks(d, f, 3)));
      cases.add(
          new KernelCase("mla_combine", f + ", rows in three parts", d -> decode(d, f, small, 3)));
    }
    cases.add(new KernelCase("mla_combine", "512/64, parts", d -> decode(d, Format.F16, v2, 2)));
    cases.add(
        new KernelCase(
            "mla_combine", "more parts than warps", d -> manyParts(d, new Shape(2, 32, 16))));
    for (Format f : Format.values()) {
      cases.add(
          new KernelCase(
              "mla_plain_" + f.suffix(),
              "700/40",
              d -> plain(d, f, new Shape(1, 700, 40), false, false)));
      cases.add(
          new KernelCase(
              "mla_plain_" + f.suffix(),
              "odd sizes",
              d -> plain(d, f, new Shape(3, 37, 6), false, false)));
      cases.add(
          new KernelCase(
              "mla_plain_" + f.suffix(),
              "odd sizes, queries in two parts",
              d -> plain(d, f, new Shape(3, 37, 6), false, true)));
      cases.add(
          new KernelCase(
              "mla_plain_" + f.suffix(),
              "sinks",
              d -> plain(d, f, new Shape(3, 40, 0), true, false)));
    }
    return cases;
  }

  /**
   * @param n heads
   */
  record Shape(int n, int lkv, int r) {
    int entry() {
      return lkv + r;
    }

    float scale() {
      return 1 / (float) Math.sqrt(entry());
    }
  }

  /** Rows of a step: one of padding, one of an empty sequence, one of more than two tiles. */
  private static final int[] SEQUENCE = {1, -1, 0, 2};

  private static final int[] LENGTH = {79, 9, 0, 21};

  /** What a launch of either kernel is given, and where the result goes. */
  record Attention(
      Shape shape,
      KvCache cache,
      float[] q,
      int[] sequence,
      int[] length,
      Optional<float[]> sinks,
      GlobalBuffer out,
      GlobalBuffer stat) {

    static Attention of(Device device, Format f, Shape s, int[] length, boolean sinks) {
      Numbers numbers = new Numbers(s.lkv() + s.n());
      GlobalMemory memory = device.memory();
      int rows = SEQUENCE.length;
      return new Attention(
          s,
          KvCache.random(f, s.entry(), 16, 3, length[0], numbers.random()),
          numbers.normal(rows * s.n() * s.entry(), 1),
          SEQUENCE,
          length,
          sinks ? Optional.of(numbers.normal(s.n(), 2)) : Optional.empty(),
          memory.output("out", 4L * rows * s.n() * s.lkv()),
          memory.output("stat", 8L * rows * s.n()));
    }

    int rows() {
      return sequence.length;
    }

    Launch put(Launch launch, Device device) {
      return put(launch, device, false);
    }

    /**
     * @param apart queries' latents in one tensor, their turned parts in another, behind four other
     *     numbers of each head
     */
    Launch put(Launch launch, Device device, boolean apart) {
      GlobalMemory memory = device.memory();
      int heads = rows() * shape.n();
      if (apart) {
        int wide = shape.r() + 4;
        float[] latent = new float[heads * shape.lkv()];
        float[] turned = new float[heads * wide];
        for (int head = 0; head < heads; head++) {
          int from = head * shape.entry();
          System.arraycopy(q, from, latent, head * shape.lkv(), shape.lkv());
          System.arraycopy(q, from + shape.lkv(), turned, head * wide + 4, shape.r());
        }
        launch
            .p(memory.floats("q", Role.INPUT, latent))
            .i(shape.lkv())
            .p(memory.floats("turned", Role.INPUT, turned), 16)
            .i(shape.n() * wide, wide);
      } else {
        GlobalBuffer all = memory.floats("q", Role.INPUT, q);
        launch
            .p(all)
            .i(shape.entry())
            .p(all, 4 * shape.lkv())
            .i(shape.n() * shape.entry(), shape.entry());
      }
      return launch
          .p(cache.entries(device, Role.INPUT))
          .i(cache.pageTokens())
          .p(cache.pages(device))
          .i(cache.pagesPerSequence())
          .p(memory.ints("sequence", Role.INPUT, sequence))
          .p(memory.ints("kvLength", Role.INPUT, length))
          .i(shape.n(), shape.lkv(), shape.r())
          .f(shape.scale())
          .p(out)
          .p(stat);
    }

    Launch putSinks(Launch launch, Device device) {
      return sinks
          .map(s -> launch.p(device.memory().floats("sinks", Role.CONSTANT, s)))
          .orElseGet(launch::none);
    }

    void check(double allowed) {
      for (int t = 0; t < rows(); t++) {
        int entries = sequence[t] < 0 ? 0 : length[t];
        for (int n = 0; n < shape.n(); n++) {
          check(t, n, entries, allowed);
        }
      }
    }

    private void check(int t, int n, int entries, double allowed) {
      int head = t * shape.n() + n;
      double[] score = new double[entries];
      double most = entries > 0 && sinks.isPresent() ? sinks.get()[n] : Double.NEGATIVE_INFINITY;
      for (int i = 0; i < entries; i++) {
        for (int e = 0; e < shape.entry(); e++) {
          score[i] += q[head * shape.entry() + e] * cache.at(sequence[t], i, e);
        }
        score[i] *= shape.scale();
        most = Math.max(most, score[i]);
      }
      double sum = entries > 0 && sinks.isPresent() ? Math.exp(sinks.get()[n] - most) : 0;
      for (int i = 0; i < entries; i++) {
        score[i] = Math.exp(score[i] - most);
        sum += score[i];
      }
      for (int l = 0; l < shape.lkv(); l++) {
        double want = 0;
        for (int i = 0; i < entries; i++) {
          want += score[i] / sum * cache.at(sequence[t], i, l);
        }
        String what = "row " + t + ", head " + n + ", out";
        Numbers.close(what, l, out.f32(head * shape.lkv() + l), want, allowed);
      }
      if (sinks.isPresent()) {
        return; // nobody asks for both
      }
      String what = "row " + t + ", head " + n + ", stat";
      Numbers.close(what, 0, stat.f32(2 * head), most, 1e-4);
      Numbers.close(what, 1, stat.f32(2 * head + 1), sum, sum * 1e-4);
    }
  }

  private static int shared(Format f, Shape s, int stages) {
    int row = 2 * (s.entry() + 8);
    boolean wide = f != Format.E4M3;
    return TILE * stages * (wide ? row : s.entry()) + (wide ? 0 : TILE * row) + 19392;
  }

  /** sm_75 has shared memory for one tile. */
  private static void decode(Device device, Format f, Shape s, int splits) {
    decode(device, f, s, splits, device.capability() == 75 ? 1 : 2);
  }

  private static void apart(Device device, Format f, Shape s) {
    decode(device, f, s, 1, 1, LENGTH, false, true);
  }

  private static void stages(Device device, Format f) {
    for (int stages = 1; stages <= 5; stages++) {
      decode(device, f, new Shape(3, 32, 16), 1, stages);
    }
  }

  private static void manyParts(Device device, Shape s) {
    decode(device, Format.F16, s, 50, 1, new int[] {41 * TILE, 9, 0, 21}, false);
  }

  private static void decode(Device device, Format f, Shape s, int splits, int stages) {
    decode(device, f, s, splits, stages, LENGTH, false);
  }

  private static void withSinks(Device device, Format f, int splits) {
    decode(device, f, new Shape(20, 64, 0), splits, 1, LENGTH, true);
  }

  private static void decode(
      Device device, Format f, Shape s, int splits, int stages, int[] length, boolean sinks) {
    decode(device, f, s, splits, stages, length, sinks, false);
  }

  private static void decode(
      Device device,
      Format f,
      Shape s,
      int splits,
      int stages,
      int[] length,
      boolean sinks,
      boolean apart) {
    int leastTiles = 1;
    Attention a = Attention.of(device, f, s, length, sinks);
    GlobalMemory memory = device.memory();
    GlobalBuffer partial = memory.output("partial", 4L * a.rows() * s.n() * splits * (s.lkv() + 2));
    GlobalBuffer unless = memory.ints("unless", Role.INPUT, 1);
    Launch launch =
        device.launch(
            "mla_decode_" + f.suffix(),
            Math.ceilDiv(s.n(), 16),
            splits,
            a.rows(),
            256,
            shared(f, s, stages));
    a.put(launch, device, apart).p(partial).i(splits, leastTiles, stages).p(unless);
    device.run(a.putSinks(launch, device));
    if (splits > 1) {
      // in place, as the kernel before has written the rows that are whole
      GlobalBuffer out = memory.put("out", Role.IN_PLACE, a.out().content());
      GlobalBuffer stat = memory.put("stat", Role.IN_PLACE, a.stat().content());
      device.run(
          device
              .launch("mla_combine", s.n(), a.rows(), Math.ceilDiv(s.lkv(), 128), 256, 0)
              .p(device.handOn(partial))
              .p(memory.ints("sequence", Role.INPUT, a.sequence()))
              .p(memory.ints("kvLength", Role.INPUT, a.length()))
              .i(s.n(), s.lkv(), splits, leastTiles)
              .p(out)
              .p(stat)
              .p(unless));
      a = new Attention(s, a.cache(), a.q(), a.sequence(), a.length(), a.sinks(), out, stat);
    }
    a.check(1e-4);
  }

  private static void leftOut(Device device, Format f) {
    Shape s = new Shape(4, 64, 16);
    Attention a = Attention.of(device, f, s, LENGTH, false);
    Launch launch = device.launch("mla_decode_" + f.suffix(), 1, 1, a.rows(), 256, shared(f, s, 1));
    a.put(launch, device).none().i(1, 1, 1).p(device.memory().ints("unless", Role.INPUT, 0));
    device.run(launch.none());
    Numbers.close("numbers written", 0, Float.isNaN(a.out().f32(0)) ? 0 : 1, 0, 0);
  }

  private static void plain(Device device, Format f, Shape s, boolean sinks, boolean apart) {
    Attention a = Attention.of(device, f, s, LENGTH, sinks);
    Launch launch =
        device.launch(
            "mla_plain_" + f.suffix(), s.n(), a.rows(), 1, 128, 4 * (2 * s.lkv() + s.r() + TILE));
    device.run(a.putSinks(a.put(launch, device, apart).none(), device));
    a.check(1e-5);
  }
}
