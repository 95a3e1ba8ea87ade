package dev.yuzui.bench;

import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
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

/**
 * Products of T vectors with a weight larger than the caches, by encoding. One token is bound by
 * memory: read {@code gigabytes} (of weight, a second) beside {@link LimitsBenchmark}. Many are
 * bound by arithmetic: read {@code gigaflops}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 7, time = 1)
public class MatmulBenchmark {
  @Param({"1", "8", "512"})
  public int tokens;

  @Param({
    "F32",
    "F16",
    "BF16",
    "FP8_E4M3",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_NL",
    "IQ4_XS",
    "IQ1_S",
    "IQ1_M",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ2_S",
    "IQ3_XXS",
    "IQ3_S",
    "TQ1_0",
    "TQ2_0",
    "Q1_0",
    "Q2_0",
    "MXFP4",
    "NVFP4"
  })
  public String encoding;

  /** 0: one a core. */
  @Param("0")
  public int threads;

  @Param({"true", "false"})
  public boolean repack;

  /** cpu:java: without native kernels. */
  @Param({"cpu:0", "cpu:java"})
  public String device;

  @Param("2048")
  public int cols;

  private Case c;
  private DeviceQueue.Recording product;
  private double bytes;
  private double operations;

  @Setup
  public void build() {
    c = new Case(threads, repack, device);
    Encoding e = Encoding.byLabel(encoding).orElseThrow();
    long rows = tokens > 8 ? 1024 : (128L << 20) / e.rowBytes(cols) / 64 * 64;
    HostTensor host = c.weight(e, rows, cols);
    Tensor w = c.backend.upload(host);
    Tensor x = c.normal(tokens, cols);
    Tensor out = c.empty(Encoding.F32, tokens, rows);
    product = c.queue.record(() -> c.queue.ops().matmul(x, w, out));
    product.replay();
    c.queue.synchronize();
    c.checkProduct(x, host, out);
    bytes = w.byteSize() / 1e9;
    operations = 2e-9 * rows * cols * tokens;
  }

  @Benchmark
  public void matmul(LimitsBenchmark.Rates rates) {
    product.replay();
    c.queue.synchronize();
    rates.gigabytes += bytes;
    rates.gigaflops += operations;
  }

  @TearDown
  public void close() {
    product.close();
    c.close();
  }
}
