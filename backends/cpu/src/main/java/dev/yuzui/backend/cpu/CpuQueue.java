package dev.yuzui.backend.cpu;

import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Ops;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Runs what is enqueued at once, on the calling thread and its team; a failure waits for {@link
 * #synchronize}, and nothing runs between the two.
 */
final class CpuQueue extends AbstractQueue {
  private final Team team;
  private final Arena arena = Arena.ofShared();
  private final CpuOps ops;
  private final Op[] single = new Op[1];
  private List<Op> noted = List.of();

  /**
   * @param begin what each thread but the caller's, numbered from 1, does first
   */
  CpuQueue(CpuBackend backend, String name, int threads, IntConsumer begin, KernelChoice kernels) {
    super(backend);
    this.team = new Team(name, threads, begin);
    this.ops = new CpuOps(this, kernels, new CpuScratch(arena), team.size());
  }

  @Override
  protected Ops unchecked() {
    return ops;
  }

  /** Notes or runs {@code op}. */
  void submit(Op op) {
    if (recording()) {
      noted.add(op);
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
  protected void startRecording() {
    noted = new ArrayList<>();
  }

  @Override
  protected Recording endRecording() {
    return new OpList(noted.toArray(Op[]::new));
  }

  @Override
  protected void dropRecording() {
    noted = List.of();
  }

  @Override
  protected void enqueue(Runnable task) {
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
  protected Optional<Throwable> await() {
    return team.takeFailure();
  }

  @Override
  protected void release() {
    team.close();
    arena.close();
  }

  private final class OpList implements Recording {
    private final Op[] list;

    OpList(Op[] list) {
      this.list = list;
    }

    @Override
    public void replay() {
      team.run(list, list.length);
    }

    @Override
    public void close() {
      // holds no memory of its own
    }
  }
}
