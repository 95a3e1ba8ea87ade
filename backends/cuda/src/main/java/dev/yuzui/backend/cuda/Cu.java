package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A device's context, checked: what a call could not do is a {@link BackendException} with what was
 * tried, the driver's word for it and what to change. Every method makes the context current on the
 * calling thread first.
 *
 * <p>After an error that loses the device, every use tells of that error, and what frees is silent:
 * the driver has given everything back.
 */
final class Cu implements AutoCloseable {
  private final CudaDevice device;
  private final CUdevice handle;
  private final CUcontext context = new CUcontext();
  private final Launches launches;
  private volatile Optional<String> lost = Optional.empty();

  private Cu(CudaDevice device, boolean earlyLaunch, Consumer<String> log) {
    this.launches = new Launches(this, earlyLaunch && EarlyLaunch.suits(device), log);
    this.device = device;
    this.handle = Driver.handle(device.ordinal());
  }

  static Cu open(CudaDevice device) {
    return open(device, true, _ -> {});
  }

  /**
   * @param earlyLaunch whether {@link EarlyLaunch} may be used
   * @param log told where it is not used any more
   */
  static Cu open(CudaDevice device, boolean earlyLaunch, Consumer<String> log) {
    Cu cu = new Cu(device, earlyLaunch, log);
    Driver.check(JCudaDriver.cuDevicePrimaryCtxRetain(cu.context, cu.handle), "opening " + device);
    return cu;
  }

  CudaDevice device() {
    return device;
  }

  Launches launches() {
    return launches;
  }

  @Override
  public void close() {
    release(JCudaDriver.cuDevicePrimaryCtxRelease(handle), "closing " + device);
  }

  /** Makes the context current. */
  Cu here() {
    if (lost.isPresent()) {
      throw new BackendException(
          device + " was lost: " + lost.get(), "start again, on another device if it recurs");
    }
    int result = JCudaDriver.cuCtxSetCurrent(context);
    if (result != CUresult.CUDA_SUCCESS) {
      throw failure(result, "using " + device);
    }
    return this;
  }

  void check(int result, String what) {
    if (result != CUresult.CUDA_SUCCESS) {
      throw failure(result, what);
    }
  }

  BackendException failure(int result, String what) {
    if (Driver.losesDevice(result)) {
      lost = Optional.of(what + " failed with " + CUresult.stringFor(result));
    }
    return Driver.failure(result, what + " on " + device.label());
  }

  /**
   * For what gives back: nothing is left to give back on a lost device, and who closes it need not
   * hear of it.
   */
  void release(int result, String what) {
    if (lost.isPresent()) {
      return;
    }
    if (Driver.losesDevice(result)) {
      lost = Optional.of(what + " failed with " + CUresult.stringFor(result));
      return;
    }
    check(result, what);
  }

  boolean gone() {
    return lost.isPresent() || JCudaDriver.cuCtxSetCurrent(context) != CUresult.CUDA_SUCCESS;
  }

  // ---- memory -----------------------------------------------------------------------------------

  long freeBytes() {
    here();
    long[] free = new long[1];
    check(JCudaDriver.cuMemGetInfo(free, new long[1]), "asking for free memory");
    return free[0];
  }

  Address.Device allocate(long bytes, String purpose) {
    here();
    Address.Device memory = new Address.Device();
    int result = JCudaDriver.cuMemAlloc(memory, Math.max(bytes, 1));
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw new BackendException(
          "%s has no %,d bytes for %s, %,d of its %,d are free"
              .formatted(device, bytes, purpose, freeBytes(), device.totalBytes()),
          "use a shorter context (-c), a smaller quantisation, or another device (--device)");
    }
    check(result, "allocating " + bytes + " bytes for " + purpose);
    return memory;
  }

  void free(Address.Device memory, String purpose) {
    if (!gone()) {
      release(JCudaDriver.cuMemFree(memory), "freeing " + purpose);
    }
  }

  /** Page-locked memory of the host, which the device copies from on its own. */
  MemorySegment allocatePinned(long bytes) {
    here();
    Address.Host memory = new Address.Host();
    check(
        JCudaDriver.cuMemHostAlloc(memory, bytes, JCudaDriver.CU_MEMHOSTALLOC_PORTABLE),
        "pinning " + bytes + " bytes of the host's memory");
    return MemorySegment.ofAddress(memory.value()).reinterpret(bytes);
  }

  void freePinned(MemorySegment memory) {
    if (!gone()) {
      release(JCudaDriver.cuMemFreeHost(Address.host(memory.address())), "unpinning memory");
    }
  }

  void toDevice(long to, MemorySegment from, CUstream stream) {
    here();
    check(
        JCudaDriver.cuMemcpyHtoDAsync(
            Address.device(to), Address.host(from.address()), from.byteSize(), stream),
        "copying " + from.byteSize() + " bytes to the device");
  }

  void toHost(MemorySegment to, long from, CUstream stream) {
    here();
    check(
        JCudaDriver.cuMemcpyDtoHAsync(
            Address.host(to.address()), Address.device(from), to.byteSize(), stream),
        "copying " + to.byteSize() + " bytes from the device");
  }

  void withinDevice(long to, long from, long bytes, CUstream stream) {
    here();
    check(
        JCudaDriver.cuMemcpyDtoDAsync(Address.device(to), Address.device(from), bytes, stream),
        "copying " + bytes + " bytes within the device");
  }

  void clear(long at, long bytes, CUstream stream) {
    here();
    check(
        JCudaDriver.cuMemsetD8Async(Address.device(at), (byte) 0, bytes, stream),
        "clearing " + bytes + " bytes");
  }

  // ---- other devices ----------------------------------------------------------------------------

  /** Whether this device can read the other's memory by itself; its own it can. */
  boolean reaches(CudaDevice other) {
    if (other.ordinal() == device.ordinal()) {
      return true;
    }
    int[] can = new int[1];
    check(
        JCudaDriver.cuDeviceCanAccessPeer(can, handle, Driver.handle(other.ordinal())),
        "asking whether " + device.label() + " reaches " + other.label());
    return can[0] != 0;
  }

  /** Lets kernels and copies of this device use the other's memory; once is enough. */
  void enablePeer(Cu other) {
    here();
    int result = JCudaDriver.cuCtxEnablePeerAccess(other.context, 0);
    if (result != CUresult.CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED) {
      check(result, "opening " + other.device.label() + " to " + device.label());
    }
  }

  /** Copies from another device's memory, directly or by way of the host as the driver sees fit. */
  void fromPeer(long to, Cu other, long from, long bytes, CUstream stream) {
    here();
    check(
        JCudaDriver.cuMemcpyPeerAsync(
            Address.device(to), context, Address.device(from), other.context, bytes, stream),
        "copying " + bytes + " bytes from " + other.device.label());
  }

  // ---- streams and events -----------------------------------------------------------------------

  /** A stream that waits for no other. */
  Address.Stream stream() {
    here();
    Address.Stream stream = new Address.Stream();
    check(
        JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
        "opening a stream");
    return stream;
  }

  void close(Address.Stream stream) {
    if (!gone()) {
      release(JCudaDriver.cuStreamDestroy(stream), "closing a stream");
    }
  }

  /**
   * @param work what ran on the stream, for the message
   */
  void synchronize(CUstream stream, String work) {
    here();
    check(JCudaDriver.cuStreamSynchronize(stream), work);
  }

  /** Waits, if the device is still there; errors are left to who asks for results. */
  void drain(CUstream stream) {
    if (!gone()) {
      int result = JCudaDriver.cuStreamSynchronize(stream);
      if (Driver.losesDevice(result)) {
        lost = Optional.of("its last work failed with " + CUresult.stringFor(result));
      }
    }
  }

  CUevent event() {
    here();
    CUevent event = new CUevent();
    check(
        JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "making an event");
    return event;
  }

  /** An event that knows when it was. */
  CUevent timer() {
    here();
    CUevent event = new CUevent();
    check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT), "making a timer");
    return event;
  }

  /** Seconds between two timers that the device has passed. */
  double seconds(CUevent from, CUevent to) {
    here();
    float[] milliseconds = new float[1];
    check(JCudaDriver.cuEventElapsedTime(milliseconds, from, to), "reading a timer");
    return milliseconds[0] * 1e-3;
  }

  void close(CUevent event) {
    if (!gone()) {
      release(JCudaDriver.cuEventDestroy(event), "closing an event");
    }
  }

  void record(CUevent event, CUstream stream) {
    here();
    check(JCudaDriver.cuEventRecord(event, stream), "marking a place in a stream");
  }

  /** The host waits for what was on the stream when the event was recorded. */
  void await(CUevent event, String work) {
    here();
    check(JCudaDriver.cuEventSynchronize(event), work);
  }

  /** The stream waits. */
  void await(CUstream stream, CUevent event) {
    here();
    check(JCudaDriver.cuStreamWaitEvent(stream, event, 0), "letting a stream wait");
  }

  // ---- kernels ----------------------------------------------------------------------------------

  CUmodule load(byte[] image, String what) {
    here();
    CUmodule module = new CUmodule();
    check(JCudaDriver.cuModuleLoadData(module, image), "loading " + what);
    return module;
  }

  void unload(CUmodule module) {
    if (!gone()) {
      release(JCudaDriver.cuModuleUnload(module), "unloading kernels");
    }
  }

  Address.Function function(CUmodule module, String name) {
    here();
    Address.Function function = new Address.Function();
    check(JCudaDriver.cuModuleGetFunction(function, module, name), "finding kernel " + name);
    return function;
  }

  /** Bytes of shared memory that every block of {@code function} has unasked. */
  int staticShared(CUfunction function, String name) {
    here();
    int[] bytes = new int[1];
    check(
        JCudaDriver.cuFuncGetAttribute(
            bytes, CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function),
        "asking for the shared memory of kernel " + name);
    return bytes[0];
  }

  /** Allows launches of {@code function} with up to {@code bytes} of dynamic shared memory. */
  void allowShared(CUfunction function, int bytes, String name) {
    here();
    check(
        JCudaDriver.cuFuncSetAttribute(
            function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes),
        "giving kernel " + name + " " + bytes + " bytes of shared memory");
  }

  /** For {@link HostTasks}, which calls the driver beside JCuda: {@code call} gives its result. */
  void checked(IntSupplier call, String what) {
    here();
    check(call.getAsInt(), what);
  }
}
