package dev.yuzui.backend.opencl;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Java tasks in a queue's order: a thread of ours waits for what was enqueued before a task, runs
 * it, and lets go what was enqueued after it.
 *
 * <p>After a task has failed the others are dropped until {@link #takeFailure}.
 */
final class HostTasks implements AutoCloseable {
  private final Cl cl;
  private final long queue;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("opencl host tasks").daemon().factory());
  private Optional<Throwable> failure = Optional.empty();

  HostTasks(Cl cl, long queue) {
    this.cl = cl;
    this.queue = queue;
  }

  void enqueue(Runnable task) {
    long before = cl.marker(queue);
    long after = cl.userEvent();
    cl.barrier(queue, after);
    cl.flush(queue);
    thread.execute(
        () -> {
          try {
            cl.await(before);
            if (!failed()) {
              task.run();
            }
          } catch (Throwable e) {
            fail(e);
          } finally {
            cl.complete(after);
            cl.releaseEvents(List.of(before, after));
          }
        });
  }

  private synchronized boolean failed() {
    return failure.isPresent();
  }

  private synchronized void fail(Throwable e) {
    failure = Optional.of(e);
  }

  synchronized Optional<Throwable> takeFailure() {
    Optional<Throwable> taken = failure;
    failure = Optional.empty();
    return taken;
  }

  /** Once the queue is empty. */
  @Override
  public void close() {
    thread.close();
  }
}
