package dev.yuzui.kit;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;

/**
 * A number on a device, 1 at first.
 *
 * @param tensor [1, 1]
 */
record One(Backend backend, Tensor tensor) {

  static void with(Rig rig, Consumer<One> body) {
    try (DeviceBuffer buffer = rig.backend().allocate(64, "x");
        Arena arena = Arena.ofConfined()) {
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, 1);
      rig.backend().write(x, arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f));
      body.accept(new One(rig.backend(), x));
    }
  }

  /** Once what changes it has been waited for. */
  float value() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment one = arena.allocate(ValueLayout.JAVA_FLOAT);
      backend.read(tensor, one);
      return one.get(ValueLayout.JAVA_FLOAT, 0);
    }
  }
}
