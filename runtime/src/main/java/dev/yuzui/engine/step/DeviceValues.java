package dev.yuzui.engine.step;

import dev.yuzui.engine.api.Observer;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The numbers of a tensor of a step that runs op by op.
 *
 * @param tensor F32 or I32
 */
record DeviceValues(Backend backend, DeviceQueue queue, Tensor tensor) implements Observer.Values {

  /** The first {@code rows} rows: behind them is padding. */
  static DeviceValues of(Backend backend, DeviceQueue queue, Tensor tensor, int rows) {
    return new DeviceValues(
        backend, queue, tensor.slice(tensor.name(), 0, Math.min(rows, tensor.rows())));
  }

  private boolean whole() {
    return tensor.encoding().equals(Encoding.I32);
  }

  @Override
  public float[] read() {
    queue.synchronize();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(tensor.byteSize(), 4);
      backend.read(tensor, memory);
      if (!whole()) {
        return memory.toArray(ValueLayout.JAVA_FLOAT);
      }
      int[] integers = memory.toArray(ValueLayout.JAVA_INT);
      float[] values = new float[integers.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = integers[i];
      }
      return values;
    }
  }

  @Override
  public void write(float[] values) {
    queue.synchronize();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(4L * values.length, 4);
      for (int i = 0; i < values.length; i++) {
        if (whole()) {
          memory.setAtIndex(ValueLayout.JAVA_INT, i, (int) values[i]);
        } else {
          memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
        }
      }
      backend.write(tensor, memory);
    }
  }
}
