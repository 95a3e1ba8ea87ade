package dev.yuzui.backend.cuda;

import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.SignalHandlers;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** NVIDIA's driver: is it there, is it new enough, which devices does it have. */
final class Driver {
  static final String LIBRARY = "libcuda.so.1";

  /** CUDA 12.0, in NVIDIA's numbering: its drivers know sm_90, and all of PTX that is shipped. */
  private static final int NEEDED = 12000;

  static final String INSTALL = "install NVIDIA's driver 525 or newer";

  /** CUDA_ERROR_CONTAINED, which JCuda has no name for: the device stopped what went wrong. */
  private static final int CONTAINED = 721;

  private Driver() {}

  /**
   * Why no device can be used, or empty. Looks for the driver before JCuda is touched, which would
   * unpack its native library for nothing.
   */
  static Optional<Probe.Unusable> refusal() {
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup.libraryLookup(LIBRARY, arena);
    } catch (IllegalArgumentException e) {
      return refused("no " + LIBRARY + " on this machine", INSTALL);
    }
    try (var _ = SignalHandlers.keep()) {
      int result = JCudaDriver.cuInit(0);
      if (result == CUresult.CUDA_ERROR_NO_DEVICE) {
        return refused(
            "the NVIDIA driver finds no device",
            "check that nvidia-smi lists one and that CUDA_VISIBLE_DEVICES does not hide it");
      }
      check(result, "starting the NVIDIA driver");
      Optional<Probe.Unusable> old = tooOld(version());
      if (old.isPresent()) {
        return old;
      }
      if (count() == 0) {
        return refused("the NVIDIA driver finds no device", "check that nvidia-smi lists one");
      }
      return Optional.empty();
    } catch (BackendException e) {
      return refused(e.getMessage(), "check that nvidia-smi works");
    } catch (LinkageError e) {
      return refused(
          "JCuda's native library does not load (" + e.getMessage() + ")",
          "it is made for Linux on x86-64; use --backend cpu elsewhere");
    }
  }

  /** {@link #refusal} of a driver that speaks {@code version}. */
  static Optional<Probe.Unusable> tooOld(int version) {
    return version >= NEEDED
        ? Optional.empty()
        : refused(
            "the NVIDIA driver speaks CUDA %d.%d, 12.0 is needed"
                .formatted(version / 1000, version % 1000 / 10),
            INSTALL);
  }

  /** The newest CUDA that the driver speaks, 12040 for 12.4. */
  private static int version() {
    int[] version = new int[1];
    check(JCudaDriver.cuDriverGetVersion(version), "asking for the driver's version");
    return version[0];
  }

  private static Optional<Probe.Unusable> refused(String because, String fix) {
    return Optional.of(new Probe.Unusable(because, fix));
  }

  private static int count() {
    int[] count = new int[1];
    check(JCudaDriver.cuDeviceGetCount(count), "counting the devices");
    return count[0];
  }

  /** Once {@link #refusal} is empty. */
  static List<CudaDevice> devices() {
    return IntStream.range(0, count()).mapToObj(Driver::device).toList();
  }

  private static CudaDevice device(int ordinal) {
    CUdevice device = handle(ordinal);
    byte[] name = new byte[256];
    check(JCudaDriver.cuDeviceGetName(name, name.length, device), "naming device " + ordinal);
    int end = IntStream.range(0, name.length).filter(i -> name[i] == 0).findFirst().orElse(0);
    long[] bytes = new long[1];
    check(JCudaDriver.cuDeviceTotalMem(bytes, device), "asking for the memory of " + ordinal);
    return new CudaDevice(
        ordinal,
        new String(name, 0, end, StandardCharsets.UTF_8),
        10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
            + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
        bytes[0],
        attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device),
        attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device),
        version());
  }

  static CUdevice handle(int ordinal) {
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, ordinal), "opening device " + ordinal);
    return device;
  }

  private static int attribute(int attribute, CUdevice device) {
    int[] value = new int[1];
    check(
        JCudaDriver.cuDeviceGetAttribute(value, attribute, device),
        "asking for attribute " + attribute);
    return value[0];
  }

  /**
   * @throws BackendException unless {@code result} is success
   */
  static void check(int result, String what) {
    if (result != CUresult.CUDA_SUCCESS) {
      throw failure(result, what);
    }
  }

  static BackendException failure(int result, String what) {
    return new BackendException(
        "CUDA: " + what + " failed with " + CUresult.stringFor(result), fix(result));
  }

  /** Whether no call will succeed any more in this process. */
  static boolean losesDevice(int result) {
    return switch (result) {
      case CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_EXTERNAL_DEVICE,
          CONTAINED,
          CUresult.CUDA_ERROR_UNKNOWN ->
          true;
      default -> false;
    };
  }

  private static String fix(int result) {
    return switch (result) {
      case CUresult.CUDA_ERROR_OUT_OF_MEMORY ->
          "use a shorter context (-c), a smaller quantisation, or another device (--device)";
      case CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU,
          CUresult.CUDA_ERROR_INVALID_PTX,
          CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
          CUresult.CUDA_ERROR_INVALID_IMAGE,
          CUresult.CUDA_ERROR_NOT_FOUND ->
          INSTALL + ", or rebuild the kernels with native-kernels/cuda/build";
      case CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH ->
          "the driver's library and kernel module differ; reboot";
      default ->
          losesDevice(result)
              ? "the device is lost to this process; start again, and look for NVRM lines in dmesg"
                  + " if it recurs"
              : "see nvidia-smi and dmesg for the state of the device";
    };
  }
}
