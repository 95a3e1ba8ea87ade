package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL11;
import org.lwjgl.opencl.CL12;

/**
 * One device's context: every call checked, every failure a message that names what was done and
 * what to do about it. Handles are the driver's, as LWJGL passes them.
 */
final class Cl implements AutoCloseable {
  static final String SMALLER =
      "use a shorter context (-c), a smaller quantisation, or another device (--device)";

  private final DeviceFacts device;
  private final long context;
  private final AtomicInteger objects = new AtomicInteger();
  private long allocated;

  private Cl(DeviceFacts device, long context) {
    this.device = device;
    this.context = context;
  }

  static Cl open(DeviceFacts device) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment handle = arena.allocateFrom(ValueLayout.JAVA_LONG, device.handle());
      long context = CL10.nclCreateContext(0, 1, handle.address(), 0, 0, result.address());
      Results.check(result.get(ValueLayout.JAVA_INT, 0), "opening " + device);
      return new Cl(device, context);
    }
  }

  DeviceFacts device() {
    return device;
  }

  // ---- memory -----------------------------------------------------------------------------------

  /** The driver's objects that are open: buffers, programs, kernels, queues, events. */
  int objects() {
    return objects.get();
  }

  /** Counts an object; {@link #release(int, String)} uncounts it. */
  void opened() {
    objects.incrementAndGet();
  }

  void release(int result, String what) {
    objects.decrementAndGet();
    Results.check(result, what);
  }

  /** Bytes of all buffers that are open. */
  synchronized long allocatedBytes() {
    return allocated;
  }

  /**
   * Drivers take memory when a buffer is first used, and then it is too late: what cannot fit is
   * refused here.
   */
  synchronized long allocate(long bytes, String purpose) {
    long free = device.totalBytes() - allocated;
    if (bytes > free) {
      throw new BackendException(
          "%s has no %,d bytes for %s, %,d of its %,d are free: %,d are missing"
              .formatted(device, bytes, purpose, free, device.totalBytes(), bytes - free),
          SMALLER);
    }
    if (bytes > device.largestBuffer()) {
      throw new BackendException(
          "%s takes buffers of up to %,d bytes, %s needs %,d"
              .formatted(device, device.largestBuffer(), purpose, bytes),
          SMALLER);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      long buffer =
          CL10.nclCreateBuffer(
              context, CL10.CL_MEM_READ_WRITE, Math.max(bytes, 1), 0, result.address());
      Results.check(
          result.get(ValueLayout.JAVA_INT, 0),
          "allocating %,d bytes for %s on %s".formatted(bytes, purpose, device.label()));
      allocated += bytes;
      opened();
      return buffer;
    }
  }

  synchronized void free(long buffer, long bytes, String purpose) {
    allocated -= bytes;
    release(CL10.clReleaseMemObject(buffer), "freeing " + purpose);
  }

  /** Returns when {@code from} may be overwritten and the device has its bytes. */
  void write(long queue, long buffer, long at, MemorySegment from) {
    if (from.byteSize() > 0) {
      Results.check(
          CL10.nclEnqueueWriteBuffer(
              queue, buffer, 1, at, from.byteSize(), from.address(), 0, 0, 0),
          "copying " + from.byteSize() + " bytes to " + device.label());
    }
  }

  void read(long queue, long buffer, long at, MemorySegment to) {
    if (to.byteSize() > 0) {
      Results.check(
          CL10.nclEnqueueReadBuffer(queue, buffer, 1, at, to.byteSize(), to.address(), 0, 0, 0),
          "copying " + to.byteSize() + " bytes from " + device.label());
    }
  }

  void copy(long queue, long from, long fromAt, long to, long toAt, long bytes) {
    Results.check(
        CL10.nclEnqueueCopyBuffer(queue, from, to, fromAt, toAt, bytes, 0, 0, 0),
        "copying " + bytes + " bytes within " + device.label());
  }

  // ---- programs ---------------------------------------------------------------------------------

  /** An unbuilt program. */
  long program(String source) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment text = arena.allocateFrom(source, StandardCharsets.UTF_8);
      MemorySegment texts = arena.allocateFrom(ValueLayout.JAVA_LONG, text.address());
      MemorySegment lengths = arena.allocateFrom(ValueLayout.JAVA_LONG, text.byteSize() - 1);
      long program =
          CL10.nclCreateProgramWithSource(
              context, 1, texts.address(), lengths.address(), result.address());
      Results.check(result.get(ValueLayout.JAVA_INT, 0), "taking a program's source");
      opened();
      return program;
    }
  }

  /** An unbuilt program, or empty if the driver does not take the binary. */
  Optional<Long> program(byte[] binary) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment status = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment handle = arena.allocateFrom(ValueLayout.JAVA_LONG, device.handle());
      MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, binary);
      long program =
          CL10.nclCreateProgramWithBinary(
              context,
              1,
              handle.address(),
              arena.allocateFrom(ValueLayout.JAVA_LONG, binary.length).address(),
              arena.allocateFrom(ValueLayout.JAVA_LONG, bytes.address()).address(),
              status.address(),
              result.address());
      if (result.get(ValueLayout.JAVA_INT, 0) != CL10.CL_SUCCESS
          || status.get(ValueLayout.JAVA_INT, 0) != CL10.CL_SUCCESS) {
        return Optional.empty();
      }
      opened();
      return Optional.of(program);
    }
  }

  /** The driver's result; its log is {@link #buildLog}. */
  int build(long program, String options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocateFrom(ValueLayout.JAVA_LONG, device.handle());
      MemorySegment text = arena.allocateFrom(options, StandardCharsets.UTF_8);
      return CL10.nclBuildProgram(program, 1, handle.address(), text.address(), 0, 0);
    }
  }

  String buildLog(long program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      int what = CL10.CL_PROGRAM_BUILD_LOG;
      Results.check(
          CL10.nclGetProgramBuildInfo(program, device.handle(), what, 0, 0, size.address()),
          "asking for the build log");
      MemorySegment text = arena.allocate(size.get(ValueLayout.JAVA_LONG, 0) + 1);
      Results.check(
          CL10.nclGetProgramBuildInfo(
              program, device.handle(), what, text.byteSize() - 1, text.address(), 0),
          "asking for the build log");
      return text.getString(0, StandardCharsets.UTF_8);
    }
  }

  /** Of a built program. */
  byte[] binary(long program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      Results.check(
          CL10.nclGetProgramInfo(program, CL10.CL_PROGRAM_BINARY_SIZES, 8, size.address(), 0),
          "asking for the binary's size");
      MemorySegment bytes = arena.allocate(Math.max(1, size.get(ValueLayout.JAVA_LONG, 0)));
      MemorySegment pointer = arena.allocateFrom(ValueLayout.JAVA_LONG, bytes.address());
      Results.check(
          CL10.nclGetProgramInfo(program, CL10.CL_PROGRAM_BINARIES, 8, pointer.address(), 0),
          "asking for the binary");
      return bytes.asSlice(0, size.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  void release(long program) {
    release(CL10.clReleaseProgram(program), "releasing a program");
  }

  /** What the driver made of a kernel of {@code program}. */
  Kernel kernelOf(long program, String name) {
    long kernel = kernel(program, name);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment most = arena.allocate(ValueLayout.JAVA_LONG);
      Results.check(
          CL10.nclGetKernelWorkGroupInfo(
              kernel,
              device.handle(),
              CL10.CL_KERNEL_WORK_GROUP_SIZE,
              most.byteSize(),
              most.address(),
              0),
          "asking for the work-group of kernel " + name);
      return new Kernel(program, name, Math.toIntExact(most.get(ValueLayout.JAVA_LONG, 0)));
    } finally {
      releaseKernel(kernel);
    }
  }

  /** A kernel of its own, with arguments of its own. */
  long kernel(long program, String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment text = arena.allocateFrom(name, StandardCharsets.UTF_8);
      long kernel = CL10.nclCreateKernel(program, text.address(), result.address());
      Results.check(result.get(ValueLayout.JAVA_INT, 0), "making kernel " + name);
      opened();
      return kernel;
    }
  }

  void releaseKernel(long kernel) {
    release(CL10.clReleaseKernel(kernel), "releasing a kernel");
  }

  /**
   * @param value address of the bytes, or 0 for local memory
   */
  void argument(long kernel, int index, long bytes, long value, String name) {
    int result = CL10.nclSetKernelArg(kernel, index, bytes, value);
    if (result != CL10.CL_SUCCESS) {
      throw Results.failure(result, "setting parameter " + index + " of kernel " + name);
    }
  }

  // ---- queues -----------------------------------------------------------------------------------

  /** An in-order queue. */
  long queue() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      long queue = CL10.nclCreateCommandQueue(context, device.handle(), 0, result.address());
      Results.check(result.get(ValueLayout.JAVA_INT, 0), "opening a queue of " + device.label());
      opened();
      return queue;
    }
  }

  /**
   * @param sizes address of three global sizes, then three of a group
   */
  void launch(long queue, long kernel, long sizes, String name) {
    int result = CL10.nclEnqueueNDRangeKernel(queue, kernel, 3, 0, sizes, sizes + 24, 0, 0, 0);
    if (result != CL10.CL_SUCCESS) {
      throw Results.failure(result, "launching kernel " + name + " on " + device.label());
    }
  }

  /** Lets the device begin with what was enqueued. */
  void flush(long queue) {
    Results.check(CL10.clFlush(queue), "flushing a queue");
  }

  /**
   * A marker first: Mesa's rusticl waits for what is not yet flushed, and for nothing where all has
   * been.
   */
  void finish(long queue, String what) {
    Results.check(CL12.nclEnqueueMarkerWithWaitList(queue, 0, 0, 0), "marking a queue");
    Results.check(CL10.clFinish(queue), "waiting for " + what + " on " + device.label());
  }

  void releaseQueue(long queue) {
    release(CL10.clReleaseCommandQueue(queue), "closing a queue");
  }

  /** An event for all that was enqueued so far. */
  long marker(long queue) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment event = arena.allocate(ValueLayout.JAVA_LONG);
      Results.check(
          CL12.nclEnqueueMarkerWithWaitList(queue, 0, 0, event.address()), "marking a queue");
      opened();
      return event.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  /** An event of the host's, open until {@link #complete}. */
  long userEvent() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_INT);
      long event = CL11.nclCreateUserEvent(context, result.address());
      Results.check(result.get(ValueLayout.JAVA_INT, 0), "making an event");
      opened();
      return event;
    }
  }

  void complete(long event) {
    Results.check(CL11.clSetUserEventStatus(event, CL10.CL_COMPLETE), "completing an event");
  }

  /** What is enqueued from here on waits for {@code event}. */
  void barrier(long queue, long event) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment list = arena.allocateFrom(ValueLayout.JAVA_LONG, event);
      Results.check(
          CL12.nclEnqueueBarrierWithWaitList(queue, 1, list.address(), 0), "holding a queue back");
    }
  }

  void await(long event) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment list = arena.allocateFrom(ValueLayout.JAVA_LONG, event);
      Results.check(CL10.nclWaitForEvents(1, list.address()), "waiting for an event");
    }
  }

  void releaseEvents(List<Long> events) {
    events.forEach(e -> release(CL10.clReleaseEvent(e), "releasing an event"));
  }

  @Override
  public void close() {
    Results.check(CL10.clReleaseContext(context), "closing " + device);
  }
}
