package dev.yuzui.bench;

import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Absorbed attention of one token over a context. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 7, time = 1)
public class AttentionBenchmark {
  @Param({"1024", "8192"})
  public int context;

  /** V2-Lite has 16, V3 128. */
  @Param({"16", "128"})
  public int heads;

  @Param({"F16", "Q8_0"})
  public String cache;

  /** 0: one a core. */
  @Param("0")
  public int threads;

  private Case c;
  private DeviceQueue.Recording decode;
  private double bytes;
  private double operations;

  @Setup
  public void build() {
    c = new Case(threads, true);
    MlaShape shape = new MlaShape(heads, 128, 64, 128, 512, 0.05f);
    Tensor kv = c.normal(context, shape.entry());
    Tensor norm = c.normal(1, shape.kvLora());
    Tensor pages = c.pages(context);
    Encoding encoding = Encoding.byLabel(cache).orElseThrow();
    KvCache latents = c.latents(encoding, kv, norm, shape, pages);

    Tensor q = c.normal(1, (long) heads * shape.entry());
    Tensor out = c.empty(Encoding.F32, 1, (long) heads * shape.kvLora());
    Tensor zero = c.ints(1, 0);
    StepBatch step =
        new StepBatch(zero, c.ints(1, context - 1), zero, c.ints(1, context), pages, zero);
    decode = c.queue.record(() -> c.queue.ops().mlaDecode(q, latents, shape, step, out));
    bytes = latents.entries().byteSize() / 1e9;
    operations = 2e-9 * heads * context * (shape.entry() + shape.kvLora());
    decode.replay();
    c.queue.synchronize();
    check(c.read(q), c.read(kv), c.read(norm), shape, c.read(out));
  }

  /** The formula over the vectors before they were stored, to the cache's precision. */
  private void check(float[] q, float[] kv, float[] norm, MlaShape shape, float[] got) {
    int entry = shape.entry();
    int latent = shape.kvLora();
    double[] scores = new double[context];
    double[][] stored = new double[context][latent];
    double max = Double.NEGATIVE_INFINITY;
    for (int s = 0; s < context; s++) {
      double squares = 0;
      for (int l = 0; l < latent; l++) {
        squares += (double) kv[s * entry + l] * kv[s * entry + l];
      }
      double by = 1 / Math.sqrt(squares / latent + 1e-6);
      // the rotation table is zero: so are the keys
      for (int l = 0; l < latent; l++) {
        stored[s][l] = kv[s * entry + l] * by * norm[l];
        scores[s] += stored[s][l] * q[l];
      }
      scores[s] *= shape.scale();
      max = Math.max(max, scores[s]);
    }
    double sum = 0;
    double[] want = new double[latent];
    for (int s = 0; s < context; s++) {
      double p = Math.exp(scores[s] - max);
      sum += p;
      for (int l = 0; l < latent; l++) {
        want[l] += p * stored[s][l];
      }
    }
    for (int l = 0; l < latent; l++) {
      if (!(Math.abs(want[l] / sum - got[l]) < 0.1)) {
        throw new IllegalStateException(
            "element " + l + " is " + want[l] / sum + ", not " + got[l]);
      }
    }
  }

  @Benchmark
  public void decode(LimitsBenchmark.Rates rates) {
    decode.replay();
    c.queue.synchronize();
    rates.gigabytes += bytes;
    rates.gigaflops += operations;
  }

  @TearDown
  public void close() {
    decode.close();
    c.close();
  }
}
