package dev.yuzui.spi;

import java.util.Optional;

/**
 * What all queues do alike. Nobody gets around it: arguments of ops are checked ({@link
 * CheckedOps}), recordings do not nest, nothing is done with a closed queue or recording, and what
 * failed is told once.
 */
public abstract class AbstractQueue implements DeviceQueue {
  private final AbstractBackend backend;
  private boolean recording;
  private boolean closed;

  /**
   * @param backend is told when this closes
   */
  protected AbstractQueue(AbstractBackend backend) {
    this.backend = backend;
  }

  // ---- what a device does its own way -----------------------------------------------------------

  /** The device's ops, which need not check their arguments. */
  protected abstract Ops unchecked();

  /** From now on ops are noted. */
  protected abstract void startRecording();

  /** What was noted. It is closed once, maybe after the queue, and then not replayed. */
  protected abstract Recording endRecording();

  protected abstract void dropRecording();

  /** {@link #hostTask}, noted while {@link #recording}. */
  protected abstract void enqueue(Runnable task);

  /** Waits. Gives what failed first since the last time, of what has no better way to tell. */
  protected abstract Optional<Throwable> await();

  /** Waits for what is under way and gives back what the queue holds. */
  protected abstract void release();

  // ---- what is the same -------------------------------------------------------------------------

  protected final boolean recording() {
    return recording;
  }

  protected final boolean closed() {
    return closed;
  }

  @Override
  public final Ops ops() {
    return new CheckedOps(this, unchecked());
  }

  @Override
  public final void begin() {
    requireOpen();
    if (recording) {
      throw new BackendException(
          "a recording is under way", "end it before another begins; recordings do not nest");
    }
    startRecording();
    recording = true;
  }

  @Override
  public final Recording end() {
    recorded();
    return new Noted(endRecording());
  }

  @Override
  public final void abandon() {
    recorded();
    dropRecording();
  }

  private void recorded() {
    if (!recording) {
      throw new BackendException("no recording is under way", "begin one before it ends");
    }
    recording = false;
  }

  @Override
  public final void hostTask(Runnable task) {
    requireOpen();
    enqueue(task);
  }

  @Override
  public final void synchronize() {
    requireOpen();
    requireNoRecording("waited for");
    switch (await().orElse(null)) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable t -> throw new BackendException("a task failed", "see the cause", t);
    }
  }

  @Override
  public final void close() {
    requireOpen();
    requireNoRecording("closed");
    closed = true;
    try {
      release();
    } finally {
      backend.forget(this);
    }
  }

  final void requireOpen() {
    if (closed) {
      throw new BackendException("the queue is closed", "open another; close it once");
    }
  }

  private void requireNoRecording(String what) {
    if (recording) {
      throw new BackendException(
          "the queue was " + what + " inside a recording", "do so once the recording has ended");
    }
  }

  @Override
  public final String toString() {
    return "a queue";
  }

  private final class Noted implements Recording {
    private final Recording recording;
    private boolean over;

    Noted(Recording recording) {
      this.recording = recording;
    }

    @Override
    public void replay() {
      requireOpen();
      requireNoRecording("asked for a replay");
      if (over) {
        throw new BackendException("a closed recording was replayed", "close it after its use");
      }
      recording.replay();
    }

    @Override
    public void close() {
      if (!over) {
        over = true;
        recording.close();
      }
    }
  }
}
