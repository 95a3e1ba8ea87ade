package dev.yuzui.backend.reference;

import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Work runs where it is enqueued; a recording is the list of its closures. */
final class ReferenceQueue extends AbstractQueue {
  private final ReferenceScratch scratch = new ReferenceScratch();
  private final ReferenceOps ops = new ReferenceOps(this::enqueue, scratch);
  private List<Runnable> noted = List.of();
  private Optional<Throwable> failure = Optional.empty();

  ReferenceQueue(ReferenceBackend backend) {
    super(backend);
  }

  @Override
  protected Ops unchecked() {
    return ops;
  }

  @Override
  protected void enqueue(Runnable work) {
    if (recording()) {
      noted.add(work);
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
  protected void startRecording() {
    noted = new ArrayList<>();
  }

  @Override
  protected Recording endRecording() {
    List<Runnable> list = noted;
    return new Recording() {
      @Override
      public void replay() {
        list.forEach(ReferenceQueue.this::run);
      }

      @Override
      public void close() {
        // holds no memory of its own
      }
    };
  }

  @Override
  protected void dropRecording() {
    noted = List.of();
  }

  @Override
  protected Optional<Throwable> await() {
    Optional<Throwable> first = failure;
    failure = Optional.empty();
    return first;
  }

  @Override
  protected void release() {
    scratch.close();
  }
}
