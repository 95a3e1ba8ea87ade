package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * One kernel launch, put together and given to the queue by {@link #run}; the same object serves
 * the next. Parameters follow in the kernel's order; a tensor is two, its buffer and a ulong byte
 * offset.
 */
final class Launch {
  private static final int MOST = 64;

  /** Stands for no tensor; device.clh asks {@code HAS}. */
  private static final long NONE = -1;

  private final Cl cl;
  private final long nothing;
  private final Consumer<Launch> to;
  private final MemorySegment values;
  private final int[] sizes = new int[MOST];
  private final MemorySegment work;
  private int count;
  private Kernel kernel;
  private long groupsX;
  private long groupsY;
  private long groupsZ;

  /**
   * @param nothing cl_mem of some buffer, for parameters that are absent
   * @param to takes each launch
   */
  Launch(Cl cl, long nothing, Arena arena, Consumer<Launch> to) {
    this.cl = cl;
    this.nothing = nothing;
    this.to = to;
    this.values = arena.allocate(ValueLayout.JAVA_LONG, MOST);
    this.work = arena.allocate(ValueLayout.JAVA_LONG, 6);
  }

  Launch of(Kernel kernel) {
    this.kernel = kernel;
    count = 0;
    return groups(1).local(1);
  }

  /** Work-groups, not work-items. */
  Launch groups(long x) {
    return groups(x, 1, 1);
  }

  Launch groups(long x, long y) {
    return groups(x, y, 1);
  }

  Launch groups(long x, long y, long z) {
    groupsX = x;
    groupsY = y;
    groupsZ = z;
    return this;
  }

  /** Work-items of a group. */
  Launch local(long x) {
    return local(x, 1, 1);
  }

  /**
   * As many as {@code wanted}, or as the driver gives this kernel: for those that take any number.
   */
  Launch upTo(int wanted) {
    return local(kernel.atMost(wanted));
  }

  Launch local(long x, long y, long z) {
    work.setAtIndex(ValueLayout.JAVA_LONG, 3, x);
    work.setAtIndex(ValueLayout.JAVA_LONG, 4, y);
    work.setAtIndex(ValueLayout.JAVA_LONG, 5, z);
    return this;
  }

  Launch p(Tensor t) {
    return put(8, OpenClBuffer.handle(t, cl)).put(8, t.byteOffset());
  }

  /** The offset is {@link #NONE} where there is no tensor. */
  Launch p(Optional<Tensor> t) {
    return t.map(this::p).orElseGet(() -> put(8, nothing).put(8, NONE));
  }

  Launch p(OpenClBuffer buffer) {
    return put(8, buffer.handle()).put(8, 0);
  }

  Launch i(long value) {
    return put(4, (long) Math.toIntExact(value)); // checked: kernels take 32 bits
  }

  Launch i(boolean value) {
    return put(4, value ? 1 : 0);
  }

  Launch l(long value) {
    return put(8, value);
  }

  Launch f(float value) {
    return put(4, Float.floatToRawIntBits(value));
  }

  /** Local memory, a {@code __local} pointer of the kernel's. */
  Launch shared(long bytes) {
    return put(-Math.toIntExact(bytes), 0);
  }

  /** The machine is little-endian: the low half of a slot is where a kernel reads four bytes. */
  private Launch put(int size, long bits) {
    values.setAtIndex(ValueLayout.JAVA_LONG, count, bits);
    sizes[count++] = size;
    return this;
  }

  void run() {
    for (int i = 0; i < 3; i++) {
      long groups = i == 0 ? groupsX : i == 1 ? groupsY : groupsZ;
      work.setAtIndex(ValueLayout.JAVA_LONG, i, groups * groupSize(i));
    }
    to.accept(this);
  }

  Kernel kernel() {
    return kernel;
  }

  /** Three global sizes, then three of a group. */
  MemorySegment work() {
    return work;
  }

  /** Work-items of a group in a dimension. */
  long groupSize(int dimension) {
    return work.getAtIndex(ValueLayout.JAVA_LONG, 3 + dimension);
  }

  /** Sets the parameters of a kernel of the driver's. */
  void arguments(long handle) {
    for (int i = 0; i < count; i++) {
      if (sizes[i] < 0) {
        cl.argument(handle, i, -sizes[i], 0, kernel.name());
      } else {
        cl.argument(handle, i, sizes[i], values.address() + 8L * i, kernel.name());
      }
    }
  }
}
