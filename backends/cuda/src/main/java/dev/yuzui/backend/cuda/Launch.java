package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;

/**
 * One kernel launch, put together and given to the stream by {@link #run}; the same object serves
 * the next. Parameters follow in the kernel's order.
 */
final class Launch {
  private static final int MOST = 48;

  private final Cu cu;
  private final Address.Stream stream;
  private final Consumer<Kernel> launched;
  private final Consumer<Runnable> course;

  // cuLaunchKernel wants the address of each parameter
  private final MemorySegment addresses;
  private final MemorySegment values;
  private final StringBuilder letters = new StringBuilder();
  private Kernel kernel;
  private int gridX;
  private int gridY;
  private int gridZ;
  private int block;
  private int shared;

  /** Whose launches go to the stream at once. */
  Launch(Cu cu, Address.Stream stream, Arena arena) {
    this(cu, stream, arena, _ -> {}, Runnable::run);
  }

  /**
   * @param launched told of each launch
   * @param course runs what it is given, at once or when a recording ends: each launch, put
   *     together
   */
  Launch(
      Cu cu,
      Address.Stream stream,
      Arena arena,
      Consumer<Kernel> launched,
      Consumer<Runnable> course) {
    this.cu = cu;
    this.stream = stream;
    this.launched = launched;
    this.course = course;
    this.values = arena.allocate(ValueLayout.JAVA_LONG, MOST);
    this.addresses = arena.allocate(ValueLayout.JAVA_LONG, MOST);
    for (int i = 0; i < MOST; i++) {
      addresses.setAtIndex(ValueLayout.JAVA_LONG, i, values.address() + 8L * i);
    }
  }

  Launch of(Kernel kernel) {
    this.kernel = kernel;
    letters.setLength(0);
    block = 32;
    shared = 0;
    return grid(1, 1, 1);
  }

  Launch grid(long x) {
    return grid(x, 1, 1);
  }

  Launch grid(long x, long y) {
    return grid(x, y, 1);
  }

  Launch grid(long x, long y, long z) {
    gridX = Math.toIntExact(x);
    gridY = Math.toIntExact(y);
    gridZ = Math.toIntExact(z);
    return this;
  }

  Launch block(int threads) {
    block = threads;
    return this;
  }

  /** Bytes of dynamic shared memory. */
  Launch shared(long bytes) {
    shared = Math.toIntExact(bytes);
    return this;
  }

  /** A tensor's memory. */
  Launch p(Tensor t) {
    return p(CudaBuffer.address(t, cu));
  }

  /** An address of the device, or 0 for none. */
  Launch p(long address) {
    return put('p', address);
  }

  Launch i(long value) {
    return put('i', (long) Math.toIntExact(value)); // checked: kernels take 32 bits
  }

  Launch i(boolean value) {
    return put('i', value ? 1 : 0);
  }

  Launch l(long value) {
    return put('l', value);
  }

  Launch f(float value) {
    return put('f', Float.floatToRawIntBits(value));
  }

  /** The machine is little-endian: the low half of a slot is where a kernel reads four bytes. */
  private Launch put(char letter, long bits) {
    values.setAtIndex(ValueLayout.JAVA_LONG, letters.length(), bits);
    letters.append(letter);
    return this;
  }

  void run() {
    course.accept(
        new Ready(
            kernel,
            letters.toString(),
            new Launches.Shape(gridX, gridY, gridZ, block, shared),
            values.asSlice(0, 8L * letters.length()).toArray(ValueLayout.JAVA_LONG)));
    launched.accept(kernel);
  }

  /** A launch that waits for nothing but its turn. */
  final class Ready implements Runnable {
    private final Kernel kernel;
    private final String letters;
    private final Launches.Shape shape;
    private final long[] parameters;

    Ready(Kernel kernel, String letters, Launches.Shape shape, long[] parameters) {
      kernel.check(letters, shape.shared());
      this.letters = letters;
      this.kernel = kernel;
      this.shape = shape;
      this.parameters = parameters;
    }

    Kernel kernel() {
      return kernel;
    }

    Launches.Shape shape() {
      return shape;
    }

    /** Of the parameters, see {@link KernelManifest.Entry}. */
    String letters() {
      return letters;
    }

    /** Bits of each, in the kernel's order. */
    long[] parameters() {
      return parameters.clone();
    }

    /** Another launch on the same stream. */
    Ready instead(Kernel other, String letters, Launches.Shape shape, long[] parameters) {
      return new Ready(other, letters, shape, parameters);
    }

    @Override
    public void run() {
      MemorySegment.copy(parameters, 0, values, ValueLayout.JAVA_LONG, 0, parameters.length);
      cu.launches().launch(kernel, shape, stream, addresses);
    }
  }
}
