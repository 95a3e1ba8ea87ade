package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Ops;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * Runs what is enqueued at once, on the calling thread and its team; a failure waits for {@link
 * #synchronize}, and nothing runs between the two.
 */
final class CpuQueue implements DeviceQueue {
  private final Team team;
  private final Arena arena = Arena.ofShared();
  private final CpuOps ops;
  private final Consumer<CpuQueue> onClose;
  private final Op[] single = new Op[1];
  private Optional<List<Op>> recording = Optional.empty();
  private boolean closed;

  /**
   * @param begin what each thread but the caller's, numbered from 1, does first
   */
  CpuQueue(
      String name,
      int threads,
      IntConsumer begin,
      KernelChoice kernels,
      Consumer<CpuQueue> onClose) {
    this.team = new Team(name, threads, begin);
    this.ops = new CpuOps(this, kernels, new CpuScratch(arena), team.size());
    this.onClose = onClose;
  }

  @Override
  public Ops ops() {
    return ops;
  }

  /** Notes or runs {@code op}. */
  void submit(Op op) {
    requireOpen();
    if (recording.isPresent()) {
      recording.get().add(op);
    } else {
      single[0] = op;
      team.run(single, 1);
    }
  }

  /** Memory that each thread needs for the ops to come. */
  void reserve(long bytes, int rows) {
    team.reserve(bytes, rows);
  }

  /** Memory that lives as long as this queue. */
  Arena arena() {
    return arena;
  }

  @Override
  public void begin() {
    requireOpen();
    if (recording.isPresent()) {
      throw new BackendException(
          "a recording is under way", "end it before another begins; recordings do not nest");
    }
    recording = Optional.of(new ArrayList<>());
  }

  @Override
  public Recording end() {
    Op[] noted = recording().toArray(Op[]::new);
    recording = Optional.empty();
    return new OpList(noted);
  }

  @Override
  public void abandon() {
    recording();
    recording = Optional.empty();
  }

  private List<Op> recording() {
    return recording.orElseThrow(
        () -> new BackendException("no recording is under way", "begin one before it ends"));
  }

  @Override
  public void hostTask(Runnable task) {
    submit(
        new Op() {
          @Override
          int chunks() {
            return 1;
          }

          @Override
          void run(int chunk, Lane lane) {
            task.run();
          }
        });
  }

  @Override
  public void synchronize() {
    requireOpen();
    switch (team.takeFailure().orElse(null)) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable t -> throw new BackendException("an op failed", "see the cause", t);
    }
  }

  @Override
  public void close() {
    requireOpen();
    closed = true;
    team.close();
    arena.close();
    onClose.accept(this);
  }

  private void requireOpen() {
    if (closed) {
      throw new BackendException("the queue is closed", "open another; close it once");
    }
  }

  private final class OpList implements Recording {
    private final Op[] list;

    OpList(Op[] list) {
      this.list = list;
    }

    @Override
    public void replay() {
      requireOpen();
      if (recording.isPresent()) {
        recording.get().addAll(List.of(list));
      } else {
        team.run(list, list.length);
      }
    }

    @Override
    public void close() {
      // holds no memory of its own
    }
  }
}
