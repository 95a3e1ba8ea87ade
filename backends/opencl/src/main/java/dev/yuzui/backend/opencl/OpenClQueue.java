package dev.yuzui.backend.opencl;

import dev.yuzui.backend.opencl.CommandBuffers.Run;
import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.SignalHandlers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** An in-order queue; a recording is a list of kernels with their arguments set. */
final class OpenClQueue extends AbstractQueue {
  /** Kernels that a failure's message names. */
  private static final int NAMED = 12;

  /** What a recording holds. */
  private sealed interface Step {
    /** A kernel of this launch alone. */
    record One(Run run) implements Step {}

    /** Launches that the driver takes at once. */
    record Many(long commandBuffer, String last) implements Step {}

    record Task(Runnable body) implements Step {}
  }

  /** A kernel that is launched by itself, and the sizes of a group it was launched with. */
  private record Alone(long handle, Set<Group> groups) {}

  private record Group(long x, long y, long z) {}

  private final Cl cl;
  private final long queue;
  private final Arena arena = Arena.ofShared();
  private final OpenClBuffer nothing;
  private final Optional<CommandBuffers> commandBuffers;
  private final OpenClScratch scratch;
  private final OpenClOps ops;
  private final Map<Kernel, Alone> kernels = new HashMap<>();
  private final Deque<String> launched = new ArrayDeque<>();
  private Optional<HostTasks> tasks = Optional.empty();
  private Optional<Recorded> recorded = Optional.empty();

  /**
   * While something new is on the queue: drivers compile a kernel when it is first launched, or
   * first launched with groups of a size, in the call or on a thread of theirs.
   */
  private Optional<SignalHandlers.Kept> compiling = Optional.empty();

  OpenClQueue(OpenClBackend backend) {
    super(backend);
    this.cl = backend.cl();
    this.queue = cl.queue();
    this.commandBuffers = backend.commandBuffers();
    this.nothing = new OpenClBuffer(cl, 16, "nothing", _ -> {});
    this.scratch = new OpenClScratch(cl);
    this.ops = new OpenClOps(backend, this, scratch);
  }

  @Override
  protected Ops unchecked() {
    return ops;
  }

  /** Makes launches on this queue. */
  Launch launch() {
    return new Launch(cl, nothing.handle(), arena, this::take);
  }

  private void take(Launch launch) {
    Kernel kernel = launch.kernel();
    if (recording()) {
      recorded.orElseThrow().add(launch);
      return;
    }
    Alone alone =
        kernels.computeIfAbsent(
            kernel, k -> new Alone(cl.kernel(k.program(), k.name()), new HashSet<>()));
    if (alone
        .groups()
        .add(new Group(launch.groupSize(0), launch.groupSize(1), launch.groupSize(2)))) {
      mayCompile();
    }
    launch.arguments(alone.handle());
    cl.launch(queue, alone.handle(), launch.work().address(), kernel.name());
    note(kernel.name());
  }

  private void mayCompile() {
    if (compiling.isEmpty()) {
      compiling = Optional.of(SignalHandlers.keep());
    }
  }

  private void compiled() {
    compiling.ifPresent(SignalHandlers.Kept::close);
    compiling = Optional.empty();
  }

  private void note(String kernel) {
    if (launched.size() == NAMED) {
      launched.removeFirst();
    }
    launched.addLast(kernel);
  }

  @Override
  protected void startRecording() {
    mayCompile(); // as kernels are made
    recorded = Optional.of(new Recorded());
  }

  @Override
  protected Recording endRecording() {
    Recorded ended = recorded.orElseThrow();
    boolean whole = false;
    try {
      ended.end();
      whole = true;
      return ended;
    } finally {
      if (!whole) {
        ended.close();
      }
    }
  }

  @Override
  protected void dropRecording() {
    recorded.orElseThrow().close();
  }

  @Override
  protected void enqueue(Runnable task) {
    if (recording()) {
      recorded.orElseThrow().steps.add(new Step.Task(task));
    } else {
      run(task);
    }
  }

  private void run(Runnable task) {
    if (tasks.isEmpty()) {
      tasks = Optional.of(new HostTasks(cl, queue));
    }
    tasks.get().enqueue(task);
  }

  @Override
  protected Optional<Throwable> await() {
    try {
      cl.finish(queue, "what ran last (" + String.join(", ", launched) + ")");
    } finally {
      compiled();
      launched.clear();
    }
    return tasks.flatMap(HostTasks::takeFailure);
  }

  @Override
  protected void release() {
    try {
      cl.finish(queue, "a queue that closes");
    } finally {
      compiled();
      tasks.ifPresent(HostTasks::close);
      kernels.values().forEach(kernel -> cl.releaseKernel(kernel.handle()));
      scratch.close();
      nothing.release();
      cl.releaseQueue(queue);
      arena.close();
    }
  }

  private final class Recorded implements Recording {
    private final List<Run> runs = new ArrayList<>();
    private List<Step> steps = new ArrayList<>();
    private final Arena memory = Arena.ofShared();
    private boolean replayed;

    void add(Launch launch) {
      Kernel kernel = launch.kernel();
      long handle = cl.kernel(kernel.program(), kernel.name());
      MemorySegment work = memory.allocate(launch.work().byteSize(), 8).copyFrom(launch.work());
      Run run = new Run(handle, kernel.name(), work);
      runs.add(run);
      steps.add(new Step.One(run));
      launch.arguments(handle);
    }

    /** Joins launches that no task of the host separates. */
    void end() {
      if (commandBuffers.isEmpty()) {
        return;
      }
      List<Step> joined = new ArrayList<>();
      List<Run> open = new ArrayList<>();
      for (Step step : steps) {
        if (step instanceof Step.One(Run run)) {
          open.add(run);
        } else {
          join(open, joined);
          joined.add(step);
        }
      }
      join(open, joined);
      steps = joined;
    }

    private void join(List<Run> open, List<Step> to) {
      if (!open.isEmpty()) {
        long commands = commandBuffers.orElseThrow().of(queue, open);
        to.add(new Step.Many(commands, open.getLast().name()));
        open.clear();
      }
    }

    @Override
    public void replay() {
      if (!replayed) {
        replayed = true;
        mayCompile();
      }
      for (Step step : steps) {
        switch (step) {
          case Step.One(Run run) -> {
            cl.launch(queue, run.kernel(), run.work().address(), run.name());
            note(run.name());
          }
          case Step.Many(long commands, String last) -> {
            commandBuffers.orElseThrow().enqueue(commands);
            note("… " + last);
          }
          case Step.Task(Runnable body) -> run(body);
        }
      }
      cl.flush(queue);
    }

    /** Replays under way keep the driver's kernels; ours may go. */
    @Override
    public void close() {
      for (Step step : steps) {
        if (step instanceof Step.Many(long commands, _)) {
          commandBuffers.orElseThrow().release(commands);
        }
      }
      runs.forEach(run -> cl.releaseKernel(run.kernel()));
      memory.close();
    }
  }
}
