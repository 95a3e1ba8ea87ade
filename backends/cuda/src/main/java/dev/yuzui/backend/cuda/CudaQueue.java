package dev.yuzui.backend.cuda;

import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Ops;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import jcuda.driver.CUgraphExec;

/** A stream; a recording is a graph captured from it. */
final class CudaQueue extends AbstractQueue {
  /** Kernels that a failure's message names. */
  private static final int NAMED = 12;

  /** Ints that kernels count finished blocks with: zero between launches. */
  static final int COUNTERS = 1 << 16;

  private final Cu cu;
  private final Transfers transfers;
  private final Address.Stream stream;
  private final Arena arena = Arena.ofShared();
  private final CudaScratch scratch;
  private final CudaBuffer counters;
  private final CudaOps ops;
  private final Deque<String> launched = new ArrayDeque<>();
  private Optional<HostTasks> tasks = Optional.empty();
  private List<Long> recorded = List.of();
  private long seen;

  CudaQueue(CudaBackend backend) {
    super(backend);
    this.cu = backend.cu();
    this.transfers = backend.transfers();
    this.stream = cu.stream();
    this.scratch = new CudaScratch(cu);
    this.counters = new CudaBuffer(cu, 4L * COUNTERS, "counters", _ -> {});
    cu.clear(counters.address(), counters.byteSize(), stream);
    this.ops = new CudaOps(backend, this, scratch);
  }

  @Override
  protected Ops unchecked() {
    return ops;
  }

  /** Makes launches on this queue's stream. */
  Launch launch() {
    return new Launch(cu, stream, arena, this::note);
  }

  /** Before work is put on the stream: what was written before must arrive first. */
  void precede() {
    if (!recording()) {
      seen = transfers.precede(stream, seen);
    }
  }

  private void note(Kernel kernel) {
    if (launched.size() == NAMED) {
      launched.removeFirst();
    }
    launched.addLast(kernel.name());
  }

  /** Address of {@link #COUNTERS} counters, for the ops of this queue in turn. */
  long counters() {
    return counters.address();
  }

  @Override
  protected void startRecording() {
    cu.beginCapture(stream);
    recorded = new ArrayList<>();
  }

  @Override
  protected Recording endRecording() {
    return new Graph(cu.endCapture(stream), recorded);
  }

  @Override
  protected void dropRecording() {
    cu.abandonCapture(stream);
    recorded.forEach(tasks()::forget);
  }

  private HostTasks tasks() {
    if (tasks.isEmpty()) {
      tasks = Optional.of(new HostTasks(cu));
    }
    return tasks.get();
  }

  @Override
  protected void enqueue(Runnable task) {
    precede();
    long number = tasks().enqueue(stream, task, !recording());
    if (recording()) {
      recorded.add(number);
    }
  }

  @Override
  protected Optional<Throwable> await() {
    try {
      cu.synchronize(
          stream, "what ran last (" + launched.stream().collect(Collectors.joining(", ")) + ")");
    } finally {
      launched.clear();
    }
    return tasks.flatMap(HostTasks::takeFailure);
  }

  @Override
  protected void release() {
    try {
      cu.drain(stream);
    } finally {
      tasks.ifPresent(HostTasks::close);
      scratch.close();
      counters.release();
      cu.close(stream);
      arena.close();
    }
  }

  private final class Graph implements Recording {
    private final CUgraphExec graph;
    private final List<Long> numbers;

    Graph(CUgraphExec graph, List<Long> numbers) {
      this.graph = graph;
      this.numbers = numbers;
    }

    @Override
    public void replay() {
      precede();
      cu.launch(graph, stream);
    }

    /** Waits for replays under way: the graph's memory goes. */
    @Override
    public void close() {
      if (!closed()) {
        cu.drain(stream);
        numbers.forEach(tasks()::forget);
      }
      cu.close(graph);
    }
  }
}
