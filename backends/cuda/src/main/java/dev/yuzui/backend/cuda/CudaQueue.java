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

/**
 * A stream. While a recording is under way launches are put together and kept, with all the memory
 * and kernels that they ask for; its end captures them into a graph in one go, so that nothing is
 * allocated or loaded while the driver captures.
 */
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
  private final Fusion fusion;
  private final Deque<String> launched = new ArrayDeque<>();
  private Optional<HostTasks> tasks = Optional.empty();
  private List<Runnable> kept = List.of();
  private List<Long> recorded = List.of();
  private int nodes;
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
    this.fusion = new Fusion(backend.kernels());
  }

  @Override
  protected Ops unchecked() {
    return ops;
  }

  /** Makes launches on this queue's stream. */
  Launch launch() {
    return new Launch(cu, stream, arena, this::note, this::put);
  }

  /** Puts work on the stream: now, or when the recording under way ends. */
  private void put(Runnable work) {
    if (recording()) {
      kept.add(work);
    } else {
      work.run();
    }
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
    kept = new ArrayList<>();
    recorded = new ArrayList<>();
  }

  @Override
  protected Recording endRecording() {
    List<Runnable> all = kept;
    kept = List.of();
    boolean whole = false;
    try {
      List<Runnable> works = fusion.of(all);
      // what the driver does not take with early launches it may take without, once
      CUgraphExec graph = captured(works).or(() -> captured(works)).orElseThrow();
      nodes = works.size();
      whole = true;
      return new Graph(graph, recorded);
    } finally {
      if (!whole) {
        recorded.forEach(tasks()::forget);
      }
    }
  }

  /** Launches and host tasks of what was recorded last. */
  int recordedNodes() {
    return nodes;
  }

  private Optional<CUgraphExec> captured(List<Runnable> works) {
    cu.launches().beginCapture(stream);
    boolean whole = false;
    try {
      works.forEach(Runnable::run);
      whole = true;
    } finally {
      if (!whole) {
        cu.launches().abandonCapture(stream);
      }
    }
    return cu.launches().endCapture(stream);
  }

  @Override
  protected void dropRecording() {
    kept = List.of();
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
    long number = tasks().add(task, !recording());
    if (recording()) {
      recorded.add(number);
    }
    put(() -> tasks().enqueue(stream, number));
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
      cu.launches().launch(graph, stream);
    }

    /** Waits for replays under way: the graph's memory goes. */
    @Override
    public void close() {
      if (!closed()) {
        cu.drain(stream);
        numbers.forEach(tasks()::forget);
      }
      cu.launches().close(graph);
    }
  }
}
