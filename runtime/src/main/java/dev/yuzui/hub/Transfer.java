package dev.yuzui.hub;

import dev.yuzui.hub.HubHttp.Range;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/**
 * Brings files over several connections at once, several parts of a file where the server has
 * parts. What comes first in the list ends first, so that a pull which is cut has whole files.
 */
final class Transfer {
  private static final long SLICE_MILLIS = 100;

  private final Patience patience;
  private final Patience.Stop asked;
  private final Consumer<HubFile> whole;
  private final PriorityBlockingQueue<Runnable> tasks = new PriorityBlockingQueue<>();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final Queue<String> said = new ConcurrentLinkedQueue<>();

  /**
   * @param asked whether the caller wants it to end
   * @param whole called with each file that has come and was found right, by any thread
   */
  Transfer(Patience patience, Patience.Stop asked, Consumer<HubFile> whole) {
    this.patience = patience;
    this.asked = asked;
    this.whole = whole;
  }

  /** Whether workers should end, for whatever reason. */
  Patience.Stop stop() {
    return () -> asked.getAsBoolean() || failure.get() != null;
  }

  /**
   * @param connections at the same time
   * @param cut ends all connections
   * @throws HubException for the first that fails; what came of all is kept
   */
  void run(
      List<Incoming> files, HubCache cache, int connections, PullListener listener, Runnable cut) {
    long total = files.stream().mapToLong(f -> f.file().size()).sum();
    long before = bytesThere(files);
    CountDownLatch left = new CountDownLatch(files.size());
    ThreadPoolExecutor workers =
        new ThreadPoolExecutor(
            connections,
            connections,
            0,
            TimeUnit.SECONDS,
            tasks,
            Thread.ofPlatform().daemon().name("hub-", 0).factory());
    try {
      for (int i = 0; i < files.size(); i++) {
        new Course(i, files.get(i), cache, left, workers).begin();
      }
      boolean ended = false;
      while (!ended && !stop().getAsBoolean()) {
        ended = awaited(left);
        tell(listener);
        long there = bytesThere(files);
        listener.progressed(there, there - before, total);
      }
    } finally {
      boolean complete = left.getCount() == 0;
      cut.run();
      // no interrupt, which would close the files under the other parts
      failure.compareAndSet(null, HubException.interrupted(Patience.INTERRUPTED));
      tasks.clear();
      workers.close();
      tell(listener);
      if (complete) {
        failure.set(null);
      }
    }
    asked.check();
    switch (failure.get()) {
      case null -> {}
      case RuntimeException unchecked -> throw unchecked;
      case Error error -> throw error;
      case Throwable other -> throw new IllegalStateException(other);
    }
  }

  private static boolean awaited(CountDownLatch left) {
    try {
      return left.await(SLICE_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw HubException.interrupted(Patience.INTERRUPTED);
    }
  }

  private static long bytesThere(List<Incoming> files) {
    return files.stream().mapToLong(f -> f.partial().bytesThere()).sum();
  }

  private void tell(PullListener listener) {
    for (String line; (line = said.poll()) != null; ) {
      listener.said(line);
    }
  }

  /** Of the file that was listed first, the part that is first. */
  private record Task(int file, long from, Runnable work) implements Runnable, Comparable<Task> {
    @Override
    public void run() {
      work.run();
    }

    @Override
    public int compareTo(Task other) {
      int byFile = Integer.compare(file, other.file);
      return byFile != 0 ? byFile : Long.compare(from, other.from);
    }
  }

  /** A file's way through the workers. */
  private final class Course {
    private final int index;
    private final Incoming file;
    private final HubCache cache;
    private final CountDownLatch files;
    private final ThreadPoolExecutor workers;
    private final AtomicInteger parts = new AtomicInteger(1);

    Course(
        int index,
        Incoming file,
        HubCache cache,
        CountDownLatch files,
        ThreadPoolExecutor workers) {
      this.index = index;
      this.file = file;
      this.cache = cache;
      this.files = files;
      this.workers = workers;
    }

    void begin() {
      List<Range> missing = file.missing();
      if (missing.isEmpty()) {
        submit(0, () -> {});
        return;
      }
      List<Range> others = missing.subList(1, missing.size());
      submit(
          missing.getFirst().from(),
          () ->
              file.fetchFirst(
                  missing.getFirst(),
                  () -> {
                    parts.addAndGet(others.size());
                    others.forEach(
                        range -> submit(range.from(), () -> file.fetch(range, attempts())));
                  },
                  attempts()));
    }

    private Patience.Attempts attempts() {
      return patience.new Attempts(stop(), said::add);
    }

    private void submit(long from, Runnable part) {
      workers.execute(new Task(index, from, () -> run(part)));
    }

    private void run(Runnable part) {
      try {
        stop().check();
        part.run();
        if (parts.decrementAndGet() == 0) {
          HubFile whole = file.file();
          file.partial()
              .finish(whole.checksum().orElseThrow(), cache.blob(whole), whole.path(), stop());
          Transfer.this.whole.accept(whole);
          files.countDown();
        }
      } catch (RuntimeException | Error e) {
        failure.compareAndSet(null, e);
      }
    }
  }
}
