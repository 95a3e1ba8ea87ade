package dev.yuzui.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
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

/** How fast memory can be read at all, by one thread: the ceiling of products with one vector. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 7, time = 1)
public class MemoryBenchmark {
  private static final VectorSpecies<Long> S = LongVector.SPECIES_PREFERRED;
  private static final long BYTES = 256L << 20;

  private Arena arena;
  private MemorySegment memory;

  /** Bytes read. */
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  @State(Scope.Thread)
  public static class Rates {
    public double gigabytes;
  }

  @Setup
  public void build() {
    arena = Arena.ofConfined();
    memory = arena.allocate(BYTES, 64);
    memory.fill((byte) 1);
  }

  @Benchmark
  public long read(Rates rates) {
    long total = 0;
    for (long at = 0; at < BYTES; at += 1 << 16) {
      total += sum(at);
    }
    rates.gigabytes += BYTES / 1e9;
    return total;
  }

  private long sum(long from) {
    LongVector s0 = LongVector.zero(S);
    LongVector s1 = LongVector.zero(S);
    int step = S.vectorByteSize();
    for (int i = 0; i < 1 << 16; i += 2 * step) {
      s0 = s0.add(LongVector.fromMemorySegment(S, memory, from + i, ByteOrder.LITTLE_ENDIAN));
      s1 =
          s1.add(LongVector.fromMemorySegment(S, memory, from + i + step, ByteOrder.LITTLE_ENDIAN));
    }
    return s0.add(s1).reduceLanes(VectorOperators.ADD);
  }

  @TearDown
  public void close() {
    arena.close();
  }
}
