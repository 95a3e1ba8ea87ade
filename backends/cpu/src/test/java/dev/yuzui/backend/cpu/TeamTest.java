package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(600)
class TeamTest {
  /** An op of n chunks that fails unless everything before it is done. */
  private static final class Step extends Op {
    private final int position;
    private final int chunks;
    private final AtomicIntegerArray done;
    private final int[] expected;

    Step(int position, int chunks, AtomicIntegerArray done, int[] expected) {
      this.position = position;
      this.chunks = chunks;
      this.done = done;
      this.expected = expected;
    }

    @Override
    int chunks() {
      return chunks;
    }

    @Override
    void run(int chunk, Lane lane) {
      for (int before = 0; before < position; before++) {
        if (done.get(before) != expected[before]) {
          throw new IllegalStateException("op " + position + " began before " + before + " ended");
        }
      }
      done.incrementAndGet(position);
    }
  }

  private static Op[] steps(AtomicIntegerArray done, int[] chunks) {
    Op[] ops = new Op[chunks.length];
    for (int i = 0; i < ops.length; i++) {
      ops[i] = new Step(i, chunks[i], done, chunks);
    }
    return ops;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void runsEveryChunkOnceAndOpsInOrder(int threads) {
    int[] chunks = {3, 1, 0, 17, 1, 1, 2, 8, 0, 5};
    try (Team team = new Team("test", threads, _ -> {})) {
      for (int replay = 0; replay < 3000; replay++) {
        AtomicIntegerArray done = new AtomicIntegerArray(chunks.length);
        team.run(steps(done, chunks), chunks.length);
        assertTrue(team.takeFailure().isEmpty());
        for (int i = 0; i < chunks.length; i++) {
          assertEquals(chunks[i], done.get(i));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void wakesThreadsThatParked(int threads) {
    int[] chunks = {40, 1, 40};
    try (Team team = new Team("test", threads, _ -> {})) {
      for (int replay = 0; replay < 20; replay++) {
        LockSupport.parkNanos(2_000_000);
        AtomicIntegerArray done = new AtomicIntegerArray(chunks.length);
        team.run(steps(done, chunks), chunks.length);
        assertEquals(40, done.get(2));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void aFailureEndsTheListAndTheTeamGoesOn(int threads) {
    try (Team team = new Team("test", threads, _ -> {})) {
      for (int replay = 0; replay < 200; replay++) {
        List<Integer> after = new ArrayList<>();
        int bad = replay % 7;
        Op failing =
            new Op() {
              @Override
              int chunks() {
                return 7;
              }

              @Override
              void run(int chunk, Lane lane) {
                if (chunk == bad) {
                  throw new IllegalArgumentException("chunk " + chunk);
                }
              }
            };
        Op next =
            new Op() {
              @Override
              int chunks() {
                return 1;
              }

              @Override
              void run(int chunk, Lane lane) {
                after.add(chunk);
              }
            };
        team.run(new Op[] {failing, next}, 2);
        assertEquals("chunk " + bad, team.takeFailure().orElseThrow().getMessage());
        assertEquals(List.of(), after);
        team.run(new Op[] {next}, 1);
        assertEquals(List.of(0), after);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8})
  void closeEndsTheThreads(int threads) {
    new Team("ends", threads, _ -> {}).close();
    assertFalse(
        Thread.getAllStackTraces().keySet().stream().anyMatch(t -> t.getName().startsWith("ends")));
  }
}
