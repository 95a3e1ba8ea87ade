package dev.yuzui.backend.cpu;

import java.lang.invoke.VarHandle;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * The calling thread and N − 1 daemon threads that walk a list of ops together.
 *
 * <p>Each thread has a run of an op's chunks, the same ones whenever the op comes round: weights
 * stay in the caches of the core that reads them, and pass in one stream. Whoever is done with his
 * own takes the last ones of others. An op is over when its chunks are, not when every thread has
 * arrived: whoever finishes the last chunk moves on to the next op and publishes it. A thread that
 * the operating system has put aside holds up nobody unless it holds a chunk, and one region serves
 * a whole list. Threads without work spin briefly, then park.
 *
 * <p>All of the protocol is a word for each thread, {@code sequence << 48 | first << 24 | end}: its
 * chunks that are left, first ≤ chunk < end. A claim is a compare-and-set on it. The sequence tells
 * a waiting thread that there is another op; {@link #IDLE} in the caller's word says that the list
 * is done.
 */
final class Team implements AutoCloseable {
  private static final int BITS = 24;

  private static final int MOST_CHUNKS = (1 << BITS) - 1;

  /** As long as no chunk is left of a run that ends at 0. */
  private static final long IDLE = 1L << BITS;

  /** About 30 µs: longer than what lies between two ops, shorter than what a person notices. */
  private static final int SPINS = 2000;

  /** Hot words are on cache lines of their own, two for each thread. */
  private static final int STRIDE = 32;

  private static final int DONE = 16;

  private final AtomicLongArray words;
  private final AtomicReferenceArray<Thread> parked;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final Lane[] lanes;
  private final Thread[] workers;
  private final int spins;
  private volatile boolean closed;

  // Written by whoever advances, before it publishes the words that let others read them.
  private Op[] ops = {};
  private int count;
  private int next;
  private Op current;
  private int pieces;
  private long sequence;

  /**
   * @param begin what each worker, numbered from 1, does first
   */
  Team(String name, int threads, IntConsumer begin) {
    words = new AtomicLongArray(STRIDE * (threads + 1));
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
                    work(lane, false, 0);
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
    work(lanes[0], true, advance(lanes[0]));
  }

  /** What went wrong first since the last call. */
  Optional<Throwable> takeFailure() {
    return Optional.ofNullable(failure.getAndSet(null));
  }

  /**
   * @param published what {@link #advance} gave
   */
  private void work(Lane lane, boolean caller, int published) {
    int held = published;
    while (true) {
      long seen = words.get(word(lane.index));
      int done = held + runs(lane);
      held = 0;
      if (done > 0) {
        int all = pieces;
        if (words.addAndGet(DONE, done) == all) {
          held = advance(lane);
        }
      } else if (caller ? idle(seen) : closed) {
        return;
      } else {
        await(lane, seen);
      }
    }
  }

  /** Runs this thread's chunks, and then the others', until none is left; how many it ran. */
  private int runs(Lane lane) {
    int ran = 0;
    for (int i = 0; i < lanes.length; i++) {
      int owner = (lane.index + i) % lanes.length;
      int chunk = claim(owner, i == 0);
      for (; chunk >= 0; chunk = claim(owner, i == 0)) {
        try {
          current.run(chunk, lane);
        } catch (Throwable t) {
          failure.compareAndSet(null, t);
        }
        ran++;
      }
    }
    return ran;
  }

  /** The first chunk that is left of a run, or its last one; −1 if there is none. */
  private int claim(int owner, boolean first) {
    while (true) {
      long word = words.get(word(owner));
      int from = (int) (word >>> BITS) & MOST_CHUNKS;
      int end = (int) word & MOST_CHUNKS;
      if (from >= end) {
        return -1;
      }
      if (words.compareAndSet(word(owner), word, first ? word + (1L << BITS) : word - 1)) {
        return first ? from : end - 1;
      }
    }
  }

  private static int word(int lane) {
    return STRIDE * (lane + 1);
  }

  private static boolean idle(long word) {
    return (word & (1L << 2 * BITS) - 1) == IDLE;
  }

  /**
   * Runs ops of one chunk on the spot and publishes the next that has more, or the end.
   *
   * @return 1 if it published an op: a piece of it that this thread is done with
   */
  private int advance(Lane lane) {
    try {
      while (next < count && failure.getPlain() == null) {
        Op op = ops[next++];
        int n = op.chunks();
        if (n > 1 && lanes.length > 1) {
          publish(lane, op, n);
          return 1;
        }
        for (int c = 0; c < n; c++) {
          op.run(c, lane);
        }
      }
    } catch (Throwable t) {
      failure.compareAndSet(null, t);
    }
    sequence++;
    words.set(word(0), sequence << 2 * BITS | IDLE);
    wake(lane, 0);
    return 0;
  }

  /**
   * Gives each thread its chunks. That is a piece of the op's work: others may be done with all
   * chunks before the last word is written, and the next op is not to come before.
   */
  private void publish(Lane me, Op op, int n) {
    if (n > MOST_CHUNKS) {
      throw new IllegalStateException(op + " has " + n + " chunks, at most " + MOST_CHUNKS);
    }
    current = op;
    pieces = n + 1;
    sequence++;
    words.setPlain(DONE, 0);
    for (int lane = 0; lane < lanes.length; lane++) {
      long from = (long) n * lane / lanes.length;
      long end = (long) n * (lane + 1) / lanes.length;
      words.setRelease(word(lane), sequence << 2 * BITS | from << BITS | end);
    }
    VarHandle.fullFence();
    for (int i = 1; i < Math.min(n, lanes.length); i++) {
      wake(me, (me.index + i) % lanes.length);
    }
  }

  private void wake(Lane me, int lane) {
    Thread sleeper = lane == me.index ? null : parked.get(lane);
    if (sleeper != null) {
      LockSupport.unpark(sleeper);
    }
  }

  /** Returns when there is another op, or after a while. */
  private void await(Lane lane, long seen) {
    int word = word(lane.index);
    for (int i = 0; i < spins; i++) {
      if ((words.get(word) ^ seen) >>> 2 * BITS != 0) {
        return;
      }
      Thread.onSpinWait();
    }
    parked.set(lane.index, Thread.currentThread());
    if ((words.get(word) ^ seen) >>> 2 * BITS == 0 && !closed) {
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
