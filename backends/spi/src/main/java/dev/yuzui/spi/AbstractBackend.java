package dev.yuzui.spi;

import static dev.yuzui.spi.Checks.check;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What all backends do alike. Nobody gets around it: arguments are checked, buffers and queues that
 * are open keep the backend open, and nothing is done with a closed one.
 */
public abstract class AbstractBackend implements Backend {
  private final Set<Object> open = new LinkedHashSet<>();
  private volatile boolean closed;

  // ---- what a device does its own way -----------------------------------------------------------

  /** {@link #allocate}; the buffer's close calls {@link #forget}. */
  protected abstract DeviceBuffer newBuffer(long bytes, String purpose);

  protected abstract AbstractQueue newQueue();

  /** {@link #write}. */
  protected abstract void copyIn(Tensor to, MemorySegment from);

  /** {@link #read}. */
  protected abstract void copyOut(Tensor from, MemorySegment to);

  /** {@link #fill}. */
  protected void repeat(Tensor to, MemorySegment pattern) {
    Backend.super.fill(to, pattern);
  }

  /** {@link #receive}. */
  protected boolean copyFrom(Backend source, Tensor from, Tensor to) {
    return false;
  }

  /** {@link #replace}, by an expert that fits. */
  protected ExpertWeights exchange(ExpertWeights experts, int index, HostTensor expert) {
    return Backend.super.replace(experts, index, expert);
  }

  /** The encoding that {@code expert} would have in the place of one of {@code experts}. */
  protected Encoding kept(ExpertWeights experts, HostTensor expert) {
    return expert.encoding();
  }

  /** Gives back what the backend holds; no buffer or queue is open. */
  protected abstract void release();

  // ---- what is the same -------------------------------------------------------------------------

  @Override
  public final synchronized DeviceBuffer allocate(long bytes, String purpose) {
    requireOpen();
    DeviceBuffer buffer = newBuffer(bytes, purpose);
    open.add(buffer);
    return buffer;
  }

  @Override
  public final synchronized DeviceQueue openQueue() {
    requireOpen();
    AbstractQueue queue = newQueue();
    open.add(queue);
    return queue;
  }

  /**
   * Of a buffer or a queue that closes.
   *
   * @return false if it was not open
   */
  protected final synchronized boolean forget(Object closing) {
    return open.remove(closing);
  }

  @Override
  public final void write(Tensor to, MemorySegment from) {
    requireOpen();
    copied(to, from);
    copyIn(to, from);
  }

  @Override
  public final void read(Tensor from, MemorySegment to) {
    requireOpen();
    copied(from, to);
    copyOut(from, to);
  }

  private static void copied(Tensor tensor, MemorySegment host) {
    if (host.byteSize() != tensor.byteSize()) { // several times a step: words only where needed
      check(
          false,
          "copy",
          "the tensor takes %d bytes, the host's memory has %d"
              .formatted(tensor.byteSize(), host.byteSize()),
          tensor);
    }
  }

  @Override
  public final void fill(Tensor to, MemorySegment pattern) {
    requireOpen();
    long row = to.encoding().byteSize(1, to.cols());
    check(
        pattern.byteSize() > 0 && pattern.byteSize() % row == 0,
        "fill",
        "a row takes %d bytes, the pattern has %d".formatted(row, pattern.byteSize()),
        to);
    repeat(to, pattern);
  }

  @Override
  public final boolean receive(Tensor to, Backend source, Tensor from) {
    requireOpen();
    check(to.byteSize() == from.byteSize(), "receive", "sizes differ", to, from);
    return copyFrom(source, from, to);
  }

  @Override
  public final synchronized ExpertWeights replace(
      ExpertWeights experts, int index, HostTensor expert) {
    requireOpen();
    check(
        index >= 0 && index < experts.count(),
        "replace",
        "expert %d of %s, which has %d".formatted(index, experts.name(), experts.count()));
    check(
        expert.rows() == experts.rows()
            && expert.cols() == experts.cols()
            && kept(experts, expert).equals(experts.encoding()),
        "replace",
        expert + " in the place of " + experts.experts().get(index));
    return exchange(experts, index, expert);
  }

  @Override
  public final synchronized void close() {
    requireOpen();
    if (!open.isEmpty()) {
      throw new BackendException(
          open.stream()
              .map(Object::toString)
              .collect(
                  Collectors.joining(", ", "the " + name() + " backend was closed before ", "")),
          "close them first");
    }
    closed = true;
    release();
  }

  protected final void requireOpen() {
    if (closed) {
      throw new BackendException(
          "the " + name() + " backend is closed", "open another; close it once");
    }
  }
}
