package dev.yuzui.spi;

/**
 * An ordered stream of work on a device; used by one thread at a time. Any use after {@link
 * #close}, a second close included, is a {@link BackendException}.
 */
public interface DeviceQueue extends AutoCloseable {

  /** Ops enqueued here run in order, at once; inside {@link #record} they are only noted. */
  Ops ops();

  /**
   * From now on until {@link #end} or {@link #abandon} ops are noted and not run. Meanwhile nothing
   * is replayed, nobody waits, and the queue is not closed; recordings do not nest.
   */
  void begin();

  /** What was noted since {@link #begin}: a CUDA graph, a command buffer, or an op list. */
  Recording end();

  /** Forgets what was noted since {@link #begin}. */
  void abandon();

  /** Notes the ops that {@code step} enqueues. */
  default Recording record(Runnable step) {
    begin();
    boolean whole = false;
    try {
      step.run();
      whole = true;
    } finally {
      if (!whole) {
        abandon();
      }
    }
    return end();
  }

  /** Runs {@code task} on the host in queue order: the socket half of an all-to-all. */
  void hostTask(Runnable task);

  /** Waits for everything enqueued; rethrows what failed. */
  void synchronize();

  @Override
  void close();

  interface Recording extends AutoCloseable {
    /** Enqueues the noted ops. */
    void replay();

    @Override
    void close();
  }
}
