package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Ops;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import jcuda.driver.CUgraphExec;

/** A stream; a recording is a graph captured from it. */
final class CudaQueue implements DeviceQueue {
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
  private final Consumer<CudaQueue> onClose;
  private final Deque<String> launched = new ArrayDeque<>();
  private Optional<HostTasks> tasks = Optional.empty();
  private Optional<List<Long>> recorded = Optional.empty();
  private long seen;
  private boolean closed;

  CudaQueue(CudaBackend backend, Consumer<CudaQueue> onClose) {
    this.cu = backend.cu();
    this.transfers = backend.transfers();
    this.onClose = onClose;
    this.stream = cu.stream();
    this.scratch = new CudaScratch(cu);
    this.counters = new CudaBuffer(cu, 4L * COUNTERS, "counters", _ -> {});
    cu.clear(counters.address(), counters.byteSize(), stream);
    this.ops = new CudaOps(backend, this, scratch);
  }

  @Override
  public Ops ops() {
    return ops;
  }

  /** Makes launches on this queue's stream. */
  Launch launch() {
    return new Launch(cu, stream, arena, this::note);
  }

  /** Before work is put on the stream: what was written before must arrive first. */
  void precede() {
    requireOpen();
    if (recorded.isEmpty()) {
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
  public void begin() {
    requireOpen();
    if (recorded.isPresent()) {
      throw new BackendException(
          "a recording is under way", "end it before another begins; recordings do not nest");
    }
    cu.beginCapture(stream);
    recorded = Optional.of(new ArrayList<>());
  }

  @Override
  public Recording end() {
    List<Long> numbers = takeRecorded();
    return new Graph(cu.endCapture(stream), numbers);
  }

  @Override
  public void abandon() {
    List<Long> numbers = takeRecorded();
    cu.abandonCapture(stream);
    numbers.forEach(tasks()::forget);
  }

  private List<Long> takeRecorded() {
    List<Long> numbers =
        recorded.orElseThrow(
            () -> new BackendException("no recording is under way", "begin one before it ends"));
    recorded = Optional.empty();
    return numbers;
  }

  private HostTasks tasks() {
    if (tasks.isEmpty()) {
      tasks = Optional.of(new HostTasks(cu));
    }
    return tasks.get();
  }

  @Override
  public void hostTask(Runnable task) {
    precede();
    long number = tasks().enqueue(stream, task, recorded.isEmpty());
    recorded.ifPresent(list -> list.add(number));
  }

  @Override
  public void synchronize() {
    requireOpen();
    requireNoRecording("waited for");
    try {
      cu.synchronize(
          stream, "what ran last (" + launched.stream().collect(Collectors.joining(", ")) + ")");
    } finally {
      launched.clear();
    }
    switch (tasks.flatMap(HostTasks::takeFailure).orElse(null)) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable t -> throw new BackendException("a task failed", "see the cause", t);
    }
  }

  @Override
  public void close() {
    requireOpen();
    requireNoRecording("closed");
    closed = true;
    try {
      cu.drain(stream);
    } finally {
      tasks.ifPresent(HostTasks::close);
      scratch.close();
      counters.release();
      cu.close(stream);
      arena.close();
      onClose.accept(this);
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new BackendException("the queue is closed", "open another; close it once");
    }
  }

  private void requireNoRecording(String what) {
    if (recorded.isPresent()) {
      throw new BackendException(
          "the queue was " + what + " inside a recording", "do so once the recording has ended");
    }
  }

  private final class Graph implements Recording {
    private final CUgraphExec graph;
    private final List<Long> numbers;
    private boolean over;

    Graph(CUgraphExec graph, List<Long> numbers) {
      this.graph = graph;
      this.numbers = numbers;
    }

    @Override
    public void replay() {
      requireOpen();
      requireNoRecording("asked for a replay");
      if (over) {
        throw new BackendException("a closed recording was replayed", "close it after its use");
      }
      precede();
      cu.launch(graph, stream);
    }

    /** Waits for replays under way: the graph's memory goes. */
    @Override
    public void close() {
      if (over) {
        return;
      }
      over = true;
      if (!closed) {
        cu.drain(stream);
        numbers.forEach(tasks()::forget);
      }
      cu.close(graph);
    }
  }
}
