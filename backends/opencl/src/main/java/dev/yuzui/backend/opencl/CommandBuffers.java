package dev.yuzui.backend.opencl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.yuzui.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.lwjgl.opencl.CL;
import org.lwjgl.opencl.CLCapabilities;
import org.lwjgl.opencl.KHRCommandBuffer;

/**
 * cl_khr_command_buffer: launches that the driver takes as one command. LWJGL's own calls go to
 * whichever platform the loader finds first; these to the device's.
 */
final class CommandBuffers {
  static final String EXTENSION = "cl_khr_command_buffer";

  /** Capability of being enqueued again before it has ended, and the flag that asks for it. */
  private static final long CAN_OVERLAP = 1 << 2;

  private static final long OVERLAP = 1;

  private final Cl cl;
  private final MethodHandle create;
  private final MethodHandle launch;
  private final MethodHandle finalise;
  private final MethodHandle enqueue;
  private final MethodHandle release;

  private CommandBuffers(Cl cl, CLCapabilities f) {
    this.cl = cl;
    this.create =
        function(f.clCreateCommandBufferKHR, ADDRESS, JAVA_INT, ADDRESS, ADDRESS, ADDRESS);
    this.launch =
        function(
            f.clCommandNDRangeKernelKHR,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            ADDRESS);
    this.finalise = function(f.clFinalizeCommandBufferKHR, JAVA_INT, ADDRESS);
    this.enqueue =
        function(
            f.clEnqueueCommandBufferKHR,
            JAVA_INT,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            ADDRESS);
    this.release = function(f.clReleaseCommandBufferKHR, JAVA_INT, ADDRESS);
  }

  private static MethodHandle function(long at, MemoryLayout result, MemoryLayout... parameters) {
    return Linker.nativeLinker()
        .downcallHandle(MemorySegment.ofAddress(at), FunctionDescriptor.of(result, parameters));
  }

  /**
   * Empty where the device has none, none that may overlap themselves, or is a processor: PoCL 3.1
   * takes a command buffer's launches no sooner than single ones (3.7 µs against 2.8 each).
   */
  static Optional<CommandBuffers> of(Cl cl, Consumer<String> log) {
    DeviceFacts device = cl.device();
    if (!device.has(EXTENSION) || device.cpu()) {
      log.accept(
          "opencl: recordings are lists of kernels: "
              + (device.cpu()
                  ? "on a processor they are quicker than command buffers"
                  : "the device has no " + EXTENSION));
      return Optional.empty();
    }
    CLCapabilities functions =
        CL.createDeviceCapabilities(
            device.handle(), CL.createPlatformCapabilities(device.platformHandle()));
    long can =
        Driver.number(device.handle(), KHRCommandBuffer.CL_DEVICE_COMMAND_BUFFER_CAPABILITIES_KHR);
    if ((can & CAN_OVERLAP) == 0 || functions.clCreateCommandBufferKHR == 0) {
      log.accept(
          "opencl: recordings are lists of kernels: command buffers cannot be enqueued again"
              + " before they have ended");
      return Optional.empty();
    }
    log.accept("opencl: recordings are command buffers");
    return Optional.of(new CommandBuffers(cl, functions));
  }

  /** A launch to be taken. */
  record Run(long kernel, String name, MemorySegment work) {}

  /** Launches in order, on an in-order queue. */
  long of(long queue, List<Run> runs) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(JAVA_INT);
      MemorySegment queues = arena.allocateFrom(JAVA_LONG, queue);
      MemorySegment properties =
          arena.allocateFrom(JAVA_LONG, KHRCommandBuffer.CL_COMMAND_BUFFER_FLAGS_KHR, OVERLAP, 0);
      MemorySegment buffer = (MemorySegment) create.invokeExact(1, queues, properties, result);
      Results.check(result.get(JAVA_INT, 0), "making a command buffer");
      cl.opened();
      for (Run run : runs) {
        MemorySegment none = MemorySegment.NULL;
        Results.check(
            (int)
                launch.invokeExact(
                    buffer,
                    none,
                    none,
                    MemorySegment.ofAddress(run.kernel()),
                    3,
                    none,
                    run.work(),
                    run.work().asSlice(24),
                    0,
                    none,
                    none,
                    none),
            "putting kernel " + run.name() + " into a command buffer");
      }
      Results.check((int) finalise.invokeExact(buffer), "closing a command buffer");
      return buffer.address();
    } catch (BackendException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError(EXTENSION, e);
    }
  }

  void enqueue(long buffer) {
    try {
      MemorySegment none = MemorySegment.NULL;
      Results.check(
          (int) enqueue.invokeExact(0, none, MemorySegment.ofAddress(buffer), 0, none, none),
          "enqueueing a command buffer");
    } catch (BackendException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError(EXTENSION, e);
    }
  }

  void release(long buffer) {
    try {
      cl.release(
          (int) release.invokeExact(MemorySegment.ofAddress(buffer)), "releasing a command buffer");
    } catch (BackendException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError(EXTENSION, e);
    }
  }
}
