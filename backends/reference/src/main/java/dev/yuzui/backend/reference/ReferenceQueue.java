package dev.yuzui.backend.reference;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Work runs where it is enqueued; a recording is the list of its closures. */
final class ReferenceQueue implements DeviceQueue {
  private final ReferenceScratch scratch = new ReferenceScratch();
  private final ReferenceOps ops = new ReferenceOps(this::enqueue, scratch);
  private final Consumer<ReferenceQueue> onClose;
  private Optional<List<Runnable>> recording = Optional.empty();
  private Optional<RuntimeException> failure = Optional.empty();
  private boolean closed;

  ReferenceQueue(Consumer<ReferenceQueue> onClose) {
    this.onClose = onClose;
  }

  @Override
  public Ops ops() {
    requireOpen();
    return ops;
  }

  private void enqueue(Runnable work) {
    requireOpen();
    if (recording.isPresent()) {
      recording.get().add(work);
    } else {
      run(work);
    }
  }

  /** After a failure the rest is dropped until {@link #synchronize} has told of it. */
  private void run(Runnable work) {
    if (failure.isPresent()) {
      return;
    }
    try {
      work.run();
    } catch (RuntimeException e) {
      failure = Optional.of(e);
    }
  }

  @Override
  public void begin() {
    requireOpen();
    if (recording.isPresent()) {
      throw new BackendException("a recording was begun inside a recording", "record one at once");
    }
    recording = Optional.of(new ArrayList<>());
  }

  @Override
  public Recording end() {
    List<Runnable> noted = recording();
    recording = Optional.empty();
    return new OpList(noted);
  }

  @Override
  public void abandon() {
    recording();
    recording = Optional.empty();
  }

  private List<Runnable> recording() {
    return recording.orElseThrow(
        () -> new BackendException("a recording was ended that never began", "begin it first"));
  }

  @Override
  public void hostTask(Runnable task) {
    enqueue(task);
  }

  @Override
  public void synchronize() {
    requireOpen();
    if (failure.isPresent()) {
      RuntimeException e = failure.get();
      failure = Optional.empty();
      throw e;
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new BackendException("the queue is closed", "open another");
    }
  }

  @Override
  public void close() {
    if (closed) {
      throw new BackendException("the queue was closed twice", "close it once");
    }
    closed = true;
    scratch.close();
    onClose.accept(this);
  }

  @Override
  public String toString() {
    return "a queue";
  }

  private final class OpList implements Recording {
    private final List<Runnable> noted;
    private boolean over;

    OpList(List<Runnable> noted) {
      this.noted = noted;
    }

    @Override
    public void replay() {
      if (over) {
        throw new BackendException("a closed recording was replayed", "close it after its use");
      }
      noted.forEach(ReferenceQueue.this::enqueue);
    }

    @Override
    public void close() {
      over = true;
    }
  }
}
