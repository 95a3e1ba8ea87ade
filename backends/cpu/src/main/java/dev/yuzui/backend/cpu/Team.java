package dev.yuzui.backend.cpu;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * The calling thread and N − 1 daemon threads that walk a list of ops together.
 *
 * <p>An op is over when its chunks are, not when every thread has arrived: whoever finishes the
 * last chunk moves on to the next op and publishes it. A thread that the operating system has put
 * aside holds up nobody unless it holds a chunk, and one region serves a whole list. Threads
 * without work spin briefly, then park.
 *
 * <p>All of the protocol is one word, {@code sequence << 32 | chunks left}; a claim is a
 * compare-and-set on it, and the sequence keeps a late thread from claiming a chunk of an op that
 * is over. {@link #IDLE} in the lower half says that the list is done.
 */
final class Team implements AutoCloseable {
  private static final long IDLE = 0x8000_0000L;

  /** About 30 µs: longer than what lies between two ops, shorter than what a person notices. */
  private static final int SPINS = 2000;

  /** The two hot words, on cache lines of their own. */
  private static final int STATE = 16;

  private static final int DONE = 32;

  private final AtomicLongArray words = new AtomicLongArray(48);
  private final AtomicReferenceArray<Thread> parked;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final Lane[] lanes;
  private final Thread[] workers;
  private final int spins;
  private volatile boolean closed;

  // Written by whoever advances, before it publishes the word that lets others read them.
  private Op[] ops = {};
  private int count;
  private int next;
  private Op current;
  private int chunks;

  /**
   * @param begin what each worker, numbered from 1, does first
   */
  Team(String name, int threads, IntConsumer begin) {
    words.set(STATE, IDLE);
    parked = new AtomicReferenceArray<>(threads);
    lanes = new Lane[threads];
    spins = threads > Runtime.getRuntime().availableProcessors() ? 50 : SPINS;
    for (int i = 0; i < threads; i++) {
      lanes[i] = new Lane(i);
    }
    workers = new Thread[threads - 1];
    for (int i = 1; i < threads; i++) {
      Lane lane = lanes[i];
      workers[i - 1] =
          Thread.ofPlatform()
              .daemon()
              .name(name + "-" + i)
              .start(
                  () -> {
                    begin.accept(lane.index);
                    work(lane, false);
                  });
    }
  }

  int size() {
    return lanes.length;
  }

  /** Memory and row addresses that each thread has while ops run; between runs only. */
  void reserve(long bytes, int rows) {
    for (Lane lane : lanes) {
      lane.reserve(bytes, rows);
    }
  }

  /**
   * Runs the first {@code count} ops and returns when they are done. After a failure nothing runs
   * until {@link #takeFailure}.
   */
  void run(Op[] ops, int count) {
    this.ops = ops;
    this.count = count;
    this.next = 0;
    advance(lanes[0]);
    work(lanes[0], true);
  }

  /** What went wrong first since the last call. */
  Optional<Throwable> takeFailure() {
    return Optional.ofNullable(failure.getAndSet(null));
  }

  private void work(Lane lane, boolean caller) {
    while (true) {
      long state = words.get(STATE);
      int left = (int) state;
      if (left <= 0) {
        if (caller ? left < 0 : closed) {
          return;
        }
        await(lane, state);
      } else if (words.compareAndSet(STATE, state, state - 1)) {
        int all = chunks;
        try {
          current.run(all - left, lane);
        } catch (Throwable t) {
          failure.compareAndSet(null, t);
        }
        if (words.incrementAndGet(DONE) == all) {
          advance(lane);
        }
      }
    }
  }

  /** Runs ops of one chunk on the spot and publishes the next that has more, or the end. */
  private void advance(Lane lane) {
    try {
      while (next < count && failure.getPlain() == null) {
        Op op = ops[next++];
        int n = op.chunks();
        if (n > 1 && lanes.length > 1) {
          current = op;
          chunks = n;
          words.setPlain(DONE, 0);
          publish(lane, n, n - 1);
          return;
        }
        for (int c = 0; c < n; c++) {
          op.run(c, lane);
        }
      }
    } catch (Throwable t) {
      failure.compareAndSet(null, t);
    }
    publish(lane, IDLE, 0);
  }

  private void publish(Lane me, long lower, int wanted) {
    long sequence = (words.getPlain(STATE) >>> 32) + 1;
    words.set(STATE, sequence << 32 | lower);
    for (int i = 0, woken = 0; i < lanes.length && (woken < wanted || i == 0); i++) {
      Thread sleeper = i == me.index ? null : parked.get(i);
      if (sleeper != null) {
        LockSupport.unpark(sleeper);
        woken++;
      }
    }
  }

  private void await(Lane lane, long state) {
    for (int i = 0; i < spins; i++) {
      if (words.get(STATE) != state) {
        return;
      }
      Thread.onSpinWait();
    }
    parked.set(lane.index, Thread.currentThread());
    if (words.get(STATE) == state && !closed) {
      LockSupport.park(this);
    }
    parked.set(lane.index, null);
  }

  @Override
  public void close() {
    closed = true;
    for (Thread worker : workers) {
      LockSupport.unpark(worker);
    }
    for (Thread worker : workers) {
      boolean interrupted = false;
      while (worker.isAlive()) {
        try {
          worker.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    for (Lane lane : lanes) {
      lane.close();
    }
  }
}
