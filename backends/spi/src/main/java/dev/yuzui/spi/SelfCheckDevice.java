package dev.yuzui.spi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;

/** What {@link SelfCheck} computes on: tensors of one device, given back together. */
final class SelfCheckDevice implements AutoCloseable {
  private final Backend backend;
  private final String name;
  private final DeviceQueue queue;
  private final Arena arena = Arena.ofShared();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final SplittableRandom random = new SplittableRandom(1);

  /**
   * @param name for people
   */
  SelfCheckDevice(Backend backend, String name) {
    this.backend = backend;
    this.name = name;
    this.queue = backend.openQueue();
  }

  Backend backend() {
    return backend;
  }

  DeviceQueue queue() {
    return queue;
  }

  Ops ops() {
    return queue.ops();
  }

  /** Normal numbers. */
  float[] random(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** A weight of normal numbers over the root of its width, on the host. */
  HostTensor weight(String what, Encoding encoding, int rows, int cols) {
    float[] values = random(rows * cols);
    for (int i = 0; i < values.length; i++) {
      values[i] /= (float) Math.sqrt(cols);
    }
    MemorySegment data = arena.allocate(encoding.byteSize(rows, cols), 64);
    Quantizer.encode(encoding, values, 0, values.length, data, 0);
    return HostTensor.of(what, encoding, rows, cols, data);
  }

  private Tensor tensor(String what, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), "self-check: " + what);
    buffers.add(buffer);
    return new Tensor(what, buffer, 0, encoding, rows, cols);
  }

  Tensor floats(String what, int rows, float[] values) {
    Tensor t = tensor(what, Encoding.F32, rows, values.length / rows);
    backend.write(t, arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
    return t;
  }

  Tensor zeros(String what, int rows, int cols) {
    return floats(what, rows, new float[rows * cols]);
  }

  Tensor ints(String what, int[] values) {
    return ints(what, 1, values);
  }

  Tensor ints(String what, int rows, int[] values) {
    Tensor t = tensor(what, Encoding.I32, rows, values.length / rows);
    backend.write(t, arena.allocateFrom(ValueLayout.JAVA_INT, values));
    return t;
  }

  /** Pages for the sequences of a step, in F16, zero. */
  Tensor cache(StepBatch batch, int pageTokens, int entry) {
    long rows = batch.pages().rows() * batch.pages().cols() * pageTokens;
    Tensor t = tensor("cache", Encoding.F16, rows, entry);
    backend.write(t, arena.allocate(t.byteSize(), 64));
    return t;
  }

  /** The first rows of a step. */
  StepBatch first(StepBatch batch, int rows) {
    return new StepBatch(
        cut(batch.token(), rows),
        cut(batch.position(), rows),
        cut(batch.sequence(), rows),
        cut(batch.kvLength(), rows),
        batch.pages(),
        batch.outputRow());
  }

  private static Tensor cut(Tensor t, int cols) {
    return new Tensor(t.name(), t.buffer(), t.byteOffset(), t.encoding(), 1, cols);
  }

  int[] integers(Tensor t) {
    return read(t).toArray(ValueLayout.JAVA_INT);
  }

  private MemorySegment read(Tensor t) {
    queue.synchronize();
    MemorySegment out = arena.allocate(t.byteSize(), 8);
    backend.read(t, out);
    return out;
  }

  /**
   * @param allowed difference of number i
   * @throws BackendException at the first number of {@code found} that is another
   */
  void require(String what, Tensor found, IntToDoubleFunction wanted, IntToDoubleFunction allowed) {
    float[] values = read(found).toArray(ValueLayout.JAVA_FLOAT);
    int cols = (int) found.cols();
    for (int i = 0; i < values.length; i++) {
      require(
          what, i / cols, i % cols, values[i], wanted.applyAsDouble(i), allowed.applyAsDouble(i));
    }
  }

  void require(String what, int row, int i, double found, double wanted, double allowed) {
    if (!(Math.abs(found - wanted) <= allowed)) {
      throw new BackendException(
          "%s computes wrongly: of %s, number %d of row %d is %s instead of %s"
              .formatted(name, what, i, row, found, wanted),
          "install a newer driver, or choose another device or --backend cpu");
    }
  }

  @Override
  public void close() {
    try {
      queue.close();
    } finally {
      buffers.forEach(DeviceBuffer::close);
      arena.close();
    }
  }
}
