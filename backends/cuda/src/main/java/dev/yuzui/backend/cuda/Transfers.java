package dev.yuzui.backend.cuda;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;

/**
 * Copies between host and device, on a stream of their own. What is written is only enqueued: a
 * queue that has work afterwards calls {@link #precede} first, so that its stream, not the host,
 * waits.
 */
final class Transfers implements AutoCloseable {
  /** Copies up to this size go through pinned memory, without the driver's detour. */
  private static final int SMALL = 64 << 10;

  /** Small copies that may be on their way at once. */
  private static final int SLOTS = 16;

  private final Cu cu;
  private final Address.Stream stream;
  private final CUevent arrived;
  private Optional<MemorySegment> slots = Optional.empty();
  private int slot;
  private long enqueued;
  private long settled;

  Transfers(Cu cu) {
    this.cu = cu;
    this.stream = cu.stream();
    this.arrived = cu.event();
  }

  /** Enqueues; {@code from} may be overwritten on return. */
  synchronized void write(long to, MemorySegment from) {
    if (from.byteSize() <= SMALL) {
      MemorySegment pinned = slot(from.byteSize());
      pinned.copyFrom(from);
      cu.toDevice(to, pinned, stream);
      enqueued++;
    } else {
      cu.toDevice(to, from, stream);
      enqueued++;
      settle();
    }
  }

  /** Returns when {@code to} is filled. */
  synchronized void read(MemorySegment to, long from) {
    if (to.byteSize() <= SMALL) {
      MemorySegment pinned = slot(to.byteSize());
      cu.toHost(pinned, from, stream);
      enqueued++;
      settle();
      to.copyFrom(pinned);
    } else {
      cu.toHost(to, from, stream);
      enqueued++;
      settle();
    }
  }

  private MemorySegment slot(long bytes) {
    if (slots.isEmpty()) {
      slots = Optional.of(cu.allocatePinned((long) SLOTS * SMALL));
    }
    if (slot == SLOTS) {
      settle();
      slot = 0;
    }
    return slots.get().asSlice((long) SMALL * slot++, bytes);
  }

  /** Runs {@code work}, which enqueues on the stream it is given. */
  synchronized void enqueue(Consumer<Address.Stream> work) {
    enqueued++;
    work.accept(stream);
  }

  /** The host waits for all that was enqueued. */
  synchronized void settle() {
    if (settled != enqueued) {
      cu.synchronize(stream, "copying between host and device");
      settled = enqueued;
      slot = 0;
    }
  }

  /** {@link #settle}, and tells of a lost device if there was nothing to wait for. */
  synchronized void settled() {
    enqueued++;
    settle();
  }

  /**
   * Lets {@code work} wait for all that was enqueued.
   *
   * @param seen what the last call for that stream returned
   */
  synchronized long precede(CUstream work, long seen) {
    if (seen != enqueued && settled != enqueued) {
      cu.record(arrived, stream);
      cu.await(work, arrived);
    }
    return enqueued;
  }

  /** {@link #settle} for what gives back memory: on a lost device nothing is left to wait for. */
  synchronized void drain() {
    if (settled != enqueued) {
      cu.drain(stream);
      settled = enqueued;
      slot = 0;
    }
  }

  @Override
  public synchronized void close() {
    drain();
    slots.ifPresent(cu::freePinned);
    cu.close(arrived);
    cu.close(stream);
  }
}
