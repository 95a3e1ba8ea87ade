package dev.yuzui.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongUnaryOperator;
import java.util.stream.LongStream;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What the machine can do at most, by all its processors at once. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 7, time = 1)
public class LimitsBenchmark {
  /** Of each thread: larger than any cache. */
  private static final long BYTES = 256L << 20;

  /** Some milliseconds' work, beside which beginning and ending together is nothing. */
  private static final long ROUNDS = 4 << 20;

  private final Limits limits = new Limits();
  private final int threads = Runtime.getRuntime().availableProcessors();
  private final ExecutorService team = Executors.newFixedThreadPool(threads);
  private final List<Long> memory = Collections.synchronizedList(new ArrayList<>());

  /** Rates, from what one call reads and computes. */
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  @State(Scope.Thread)
  public static class Rates {
    public double gigabytes;
    public double gigaflops;
  }

  @Setup
  public void build() {
    together(_ -> memory.add(limits.reserve(BYTES)) ? 1 : 0);
  }

  /** A streaming read of huge pages: the limit of products with one vector. */
  @Benchmark
  public long memory(Rates rates) {
    rates.gigabytes += threads * BYTES / 1e9;
    return together(i -> limits.read(memory.get((int) i), BYTES));
  }

  /** Products of bytes in registers: the limit of products with weights in blocks. */
  @Benchmark
  public void int8(Rates rates) {
    rates.gigaflops += together(_ -> limits.int8(ROUNDS)) / 1e9;
  }

  /** Fused multiply-adds in registers: the limit of all other products. */
  @Benchmark
  public void f32(Rates rates) {
    rates.gigaflops += together(_ -> limits.f32(ROUNDS)) / 1e9;
  }

  /** The sum of what every thread says, each given its number. */
  private long together(LongUnaryOperator work) {
    List<Future<Long>> parts =
        LongStream.range(0, threads).mapToObj(i -> team.submit(() -> work.applyAsLong(i))).toList();
    try {
      long sum = 0;
      for (Future<Long> part : parts) {
        sum += part.get();
      }
      return sum;
    } catch (InterruptedException | ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  @TearDown
  public void close() {
    team.shutdown();
  }
}
