package dev.yuzui.bench;

import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.AuxCounters;
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

/**
 * Expanded attention of the last tokens of a prompt, a layer of V2-Lite: read {@code gigaflops}, of
 * the pairs that a token sees and of keys and values rebuilt once.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 7, time = 1)
public class PrefillAttentionBenchmark {
  @Param("512")
  public int tokens;

  @Param({"512", "4096"})
  public int context;

  @Param("F16")
  public String cache;

  @Param("1")
  public int threads;

  private Case c;
  private DeviceQueue.Recording prefill;
  private double operations;

  /** Rates, from what one call computes. */
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  @State(Scope.Thread)
  public static class Rates {
    public double gigaflops;
  }

  @Setup
  public void build() {
    c = new Case(threads, true);
    MlaShape shape = new MlaShape(16, 128, 64, 128, 512, 0.05f);
    Tensor kv = c.normal(context, shape.entry());
    Tensor norm = c.normal(1, shape.kvLora());
    Tensor pages = c.pages(context);
    Encoding encoding = Encoding.byLabel(cache).orElseThrow();
    KvCache latents = c.latents(encoding, kv, norm, shape, pages);

    Tensor q = c.normal(tokens, (long) shape.heads() * shape.query());
    int keyRows = shape.heads() * shape.kvLora();
    int valueRows = shape.heads() * shape.value();
    Tensor keyUp = c.backend.upload(c.weight(Encoding.F16, keyRows, shape.nope()));
    Tensor valueUp = c.backend.upload(c.weight(Encoding.F16, valueRows, shape.kvLora()));
    Tensor out = c.empty(Encoding.F32, tokens, valueRows);
    Tensor absorbed = c.empty(Encoding.F32, tokens, valueRows);
    int[] positions = IntStream.range(context - tokens, context).toArray();
    int[] lengths = IntStream.of(positions).map(p -> p + 1).toArray();
    Tensor none = c.ints(1, new int[tokens]);
    StepBatch step =
        new StepBatch(none, c.ints(1, positions), none, c.ints(1, lengths), pages, c.ints(1, 0));
    prefill =
        c.queue.record(
            () -> c.queue.ops().mlaPrefill(q, latents, keyUp, valueUp, shape, step, out));
    prefill.replay();
    c.queue.ops().mlaAbsorbed(q, latents, keyUp, valueUp, shape, step, absorbed);
    c.queue.synchronize();
    check(c.read(absorbed), c.read(out));
    double pairs = IntStream.of(lengths).asDoubleStream().sum();
    double rebuilt = (double) context * shape.kvLora() * (shape.nope() + shape.value());
    operations = 2e-9 * shape.heads() * (rebuilt + pairs * (shape.query() + shape.value()));
  }

  /** Refuses to measure what differs from the absorbed form. */
  private static void check(float[] want, float[] got) {
    float most = 0;
    for (float w : want) {
      most = Math.max(most, Math.abs(w));
    }
    for (int i = 0; i < want.length; i++) {
      if (!(Math.abs(want[i] - got[i]) < 1e-3 * most)) {
        throw new IllegalStateException("element " + i + " is " + want[i] + ", not " + got[i]);
      }
    }
  }

  @Benchmark
  public void prefill(Rates rates) {
    prefill.replay();
    c.queue.synchronize();
    rates.gigaflops += operations;
  }

  @TearDown
  public void close() {
    prefill.close();
    c.close();
  }
}
