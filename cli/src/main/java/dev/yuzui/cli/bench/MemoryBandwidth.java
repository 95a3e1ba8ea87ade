package dev.yuzui.cli.bench;

import dev.yuzui.cli.shell.FailedException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** How fast the host's memory is read, in a fraction of a second: what a limit is drawn from. */
final class MemoryBandwidth {
  /** Larger than the caches of most processors. */
  private static final int LONGS = 1 << 25;

  private static final int ROUNDS = 8;

  private MemoryBandwidth() {}

  /** Bytes a second that {@code threads} threads sum up together, in the best of some rounds. */
  static double measure(int threads) {
    long[] memory = new long[LONGS];
    long best = Long.MAX_VALUE;
    try (ExecutorService team = Executors.newFixedThreadPool(threads)) {
      for (int round = 0; round < ROUNDS; round++) {
        long start = System.nanoTime();
        List<Future<Long>> sums = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
          int from = (int) ((long) LONGS * t / threads);
          int to = (int) ((long) LONGS * (t + 1) / threads);
          sums.add(team.submit(() -> sum(memory, from, to)));
        }
        long sum = 0;
        for (Future<Long> part : sums) {
          sum += part.get();
        }
        if (sum == 0) { // what is summed is used, or it would not be read
          best = Math.min(best, System.nanoTime() - start);
        }
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw new FailedException("interrupted while measuring memory");
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
    return 8e9 * LONGS / best;
  }

  private static long sum(long[] memory, int from, int to) {
    long sum = 0;
    for (int i = from; i < to; i++) {
      sum += memory[i];
    }
    return sum;
  }
}
