package dev.yuzui.parallel;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Memory of a device for rows that come and go, and a queue beside the one that runs attention. All
 * layers meet in it, one after another.
 */
final class ExchangeRoom implements AutoCloseable {
  final int device;
  final Backend backend;
  final DeviceQueue queue;

  /** Rows that were gathered to be sent, [S, H]. */
  final Tensor outgoing;

  /** Rows for the experts here, [N, H], and what those make of them. */
  final Tensor incoming;

  final Tensor results;
  private final Tensor numbers;
  private final Tensor shares;
  private final MemorySegment staging;
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final Arena arena = Arena.ofShared();

  /**
   * @param rows of a step
   * @param hidden H
   * @param used K
   * @param devices that rows may go to
   */
  ExchangeRoom(int device, Backend backend, int rows, int hidden, int used, int devices) {
    this.device = device;
    this.backend = backend;
    this.queue = backend.openQueue();
    try {
      int copies = Math.min(used, devices);
      outgoing = allocate("expert_outgoing", Encoding.F32, (long) rows * copies, hidden);
      incoming = allocate("expert_incoming", Encoding.F32, rows, hidden);
      results = allocate("expert_results", Encoding.F32, rows, hidden);
      numbers = allocate("expert_numbers", Encoding.I32, 1, (long) rows * (used + copies));
      shares = allocate("expert_shares", Encoding.F32, rows, used);
      staging = arena.allocate(Math.max(numbers.byteSize(), shares.byteSize()), 64);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor allocate(String name, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), name);
    buffers.add(buffer);
    return new Tensor(name, buffer, 0, encoding, rows, cols);
  }

  /** Writes row numbers behind {@code from} others; [1, n]. */
  Tensor rows(int from, int[] values) {
    Tensor to =
        new Tensor("expert_rows", numbers.buffer(), 4L * from, Encoding.I32, 1, values.length);
    write(to, values);
    return to;
  }

  /** Writes local numbers of experts, [values.length / used, used]. */
  Tensor ids(int[] values, int used) {
    Tensor to =
        new Tensor("expert_ids", numbers.buffer(), 0, Encoding.I32, values.length / used, used);
    write(to, values);
    return to;
  }

  void write(Tensor to, int[] values) {
    MemorySegment.copy(values, 0, staging, ValueLayout.JAVA_INT, 0, values.length);
    backend.write(to, staging.asSlice(0, 4L * values.length));
  }

  /** Writes gate weights, [values.length / used, used]. */
  Tensor weights(float[] values, int used) {
    Tensor to =
        new Tensor("expert_weights", shares.buffer(), 0, Encoding.F32, values.length / used, used);
    MemorySegment.copy(values, 0, staging, ValueLayout.JAVA_FLOAT, 0, values.length);
    backend.write(to, staging.asSlice(0, 4L * values.length));
    return to;
  }

  int[] readInts(Tensor from) {
    MemorySegment memory = staging.asSlice(0, from.byteSize());
    backend.read(from, memory);
    return memory.toArray(ValueLayout.JAVA_INT);
  }

  float[] readFloats(Tensor from) {
    MemorySegment memory = staging.asSlice(0, from.byteSize());
    backend.read(from, memory);
    return memory.toArray(ValueLayout.JAVA_FLOAT);
  }

  @Override
  public void close() {
    queue.close();
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
    arena.close();
  }
}
