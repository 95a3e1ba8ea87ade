package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.ArrayList;
import java.util.List;

/** Hyper-connections: read_streams and write_streams. */
final class StreamCases {
  private static final float EPS = 1e-6f;
  private static final int ROWS = 3;

  private StreamCases() {}

  static List<KernelCase> all() {
    List<KernelCase> cases = new ArrayList<>();
    String read = "read_streams";
    cases.add(new KernelCase(read, "four of 260", d -> read(d, 4, 260, 20, 512)));
    cases.add(new KernelCase(read, "four of 4100, few threads", d -> read(d, 4, 4100, 2, 64)));
    cases.add(new KernelCase(read, "seven of 37", d -> read(d, 7, 37, 3, 64)));
    cases.add(new KernelCase(read, "eight of 1301", d -> read(d, 8, 1301, 1, 64)));
    cases.add(new KernelCase(read, "one", d -> read(d, 1, 64, 2, 64)));
    cases.add(new KernelCase(read, "two, nothing to write back", d -> read(d, 2, 132, 0, 64)));
    cases.add(new KernelCase(read, "five, odd, nothing", d -> read(d, 5, 61, 0, 64)));
    String write = "write_streams";
    for (int streams = 1; streams <= 8; streams++) {
      int s = streams;
      cases.add(new KernelCase(write, s + " streams", d -> write(d, s, 290 + s)));
    }
    return cases;
  }

  /**
   * @param iterations 0: there is nothing to write back
   */
  private static void read(Device device, int s, int h, int iterations, int threads) {
    int m = iterations == 0 ? s : s * (2 + s);
    Numbers numbers = new Numbers(s * h);
    float[] x = numbers.normal(ROWS * s * h, 2);
    float[] mixes = numbers.normal(ROWS * m, 3);
    float[] base = numbers.normal(m, 1);
    float[] scale = numbers.normal(iterations == 0 ? 1 : 3, 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer out = memory.output("out", 4L * ROWS * h);
    GlobalBuffer mix = memory.output("mix", 4L * ROWS * s * (1 + s));
    var launch =
        device
            .launch("read_streams", ROWS, 1, 1, threads, 0)
            .p(memory.floats("x", Role.INPUT, x))
            .p(memory.floats("mixes", Role.INPUT, mixes))
            .i(m)
            .p(memory.floats("base", Role.CONSTANT, base))
            .p(memory.floats("scale", Role.CONSTANT, scale))
            .i(s, h, Math.max(1, iterations))
            .f(EPS)
            .f(EPS);
    device.run((iterations == 0 ? launch.none() : launch.p(mix)).p(out));
    for (int t = 0; t < ROWS; t++) {
      double squares = 0;
      for (int c = 0; c < s * h; c++) {
        squares += (double) x[t * s * h + c] * x[t * s * h + c];
      }
      double[] z = new double[m];
      for (int i = 0; i < m; i++) {
        z[i] =
            mixes[t * m + i] / Math.sqrt(squares / (s * h) + EPS) * scale[Math.min(i / s, 2)]
                + base[i];
      }
      for (int c = 0; c < h; c++) {
        double want = 0;
        for (int i = 0; i < s; i++) {
          want += (1 / (1 + Math.exp(-z[i])) + EPS) * x[(t * s + i) * h + c];
        }
        Numbers.close("row " + t, c, out.f32(t * h + c), want, 1e-4);
      }
      if (iterations > 0) {
        double[] res = res(z, s, iterations);
        for (int i = 0; i < s + s * s; i++) {
          double want = i < s ? 2 / (1 + Math.exp(-z[s + i])) : res[i - s];
          Numbers.close("mix of row " + t, i, mix.f32(t * (s + s * s) + i), want, 2e-5);
        }
      }
    }
  }

  private static double[] res(double[] z, int s, int iterations) {
    double[] res = new double[s * s];
    for (int i = 0; i < s; i++) {
      double sum = 0;
      for (int j = 0; j < s; j++) {
        sum += Math.exp(z[2 * s + i * s + j]);
      }
      for (int j = 0; j < s; j++) {
        res[i * s + j] = Math.exp(z[2 * s + i * s + j]) / sum + EPS;
      }
    }
    divide(res, s, 1, s);
    for (int n = 1; n < iterations; n++) {
      divide(res, s, s, 1);
      divide(res, s, 1, s);
    }
    return res;
  }

  private static void divide(double[] res, int s, int line, int step) {
    for (int i = 0; i < s; i++) {
      double sum = EPS;
      for (int j = 0; j < s; j++) {
        sum += res[i * line + j * step];
      }
      for (int j = 0; j < s; j++) {
        res[i * line + j * step] /= sum;
      }
    }
  }

  private static void write(Device device, int s, int h) {
    Numbers numbers = new Numbers(s);
    float[] x = numbers.normal(ROWS * s * h, 1);
    float[] y = numbers.normal(ROWS * h, 1);
    float[] mix = numbers.normal(ROWS * (s + s * s), 1);
    GlobalMemory memory = device.memory();
    GlobalBuffer streams = memory.floats("x", Role.IN_PLACE, x);
    device.run(
        device
            .launch("write_streams", ROWS, Math.ceilDiv(h, 256), 1, 256, 0)
            .p(streams)
            .p(memory.floats("y", Role.INPUT, y))
            .p(memory.floats("mix", Role.INPUT, mix))
            .i(s, h));
    Numbers.assertClose(
        streams,
        x.length,
        at -> {
          int t = at / (s * h);
          int j = at / h % s;
          int by = t * (s + s * s);
          double want = (double) mix[by + j] * y[t * h + at % h];
          for (int i = 0; i < s; i++) {
            want += (double) mix[by + s + i * s + j] * x[(t * s + i) * h + at % h];
          }
          return want;
        },
        _ -> 1e-5);
  }
}
