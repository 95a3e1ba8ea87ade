package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.HostResources;
import dev.yuzui.spi.SignalHandlers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.KHRICD;
import org.lwjgl.system.Configuration;

/** The OpenCL loader and the platforms behind it: which devices are there. */
final class Driver {
  /** What Linux distributions install; the other name comes with the development files. */
  private static final List<String> LIBRARIES = List.of("libOpenCL.so.1", "libOpenCL.so");

  private static final String INSTALL =
      "install the vendor's OpenCL driver, or `apt install pocl-opencl-icd` to use the processor";

  static final String FREE_MEMORY_EXTENSION = "cl_amd_device_attribute_query";

  private static final int QUERY_FREE_AMD = 0x4039;

  private Driver() {}

  /**
   * Why no device can be used, or empty. Looks for the loader before LWJGL is touched, which would
   * unpack its native library for nothing.
   */
  static Optional<Probe.Unusable> refusal() {
    Optional<String> library = LIBRARIES.stream().filter(Driver::loads).findFirst();
    if (library.isEmpty()) {
      return refused("no " + LIBRARIES.getFirst() + " on this machine", INSTALL);
    }
    try (var _ = SignalHandlers.keep()) {
      Configuration.OPENCL_LIBRARY_NAME.set(library.get());
      if (devices().isEmpty()) {
        return refused("no OpenCL driver on this machine has a device", INSTALL);
      }
      return Optional.empty();
    } catch (BackendException e) {
      return refused(e.getMessage(), "check that `clinfo -l` works");
    } catch (LinkageError e) {
      return refused(
          "LWJGL's native library does not load (" + e.getMessage() + ")",
          "it is made for Linux on x86-64; use --backend cpu elsewhere");
    }
  }

  private static Optional<Probe.Unusable> refused(String because, String fix) {
    return Optional.of(new Probe.Unusable(because, fix));
  }

  private static boolean loads(String library) {
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup.libraryLookup(library, arena);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** Of all platforms, in the loader's order. */
  static List<DeviceFacts> devices() {
    List<DeviceFacts> found = new ArrayList<>();
    try (var _ = SignalHandlers.keep();
        Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
      int result = CL10.nclGetPlatformIDs(0, 0, count.address());
      if (result == KHRICD.CL_PLATFORM_NOT_FOUND_KHR) {
        return List.of();
      }
      Results.check(result, "counting the platforms");
      int platforms = count.get(ValueLayout.JAVA_INT, 0);
      MemorySegment handles = arena.allocate(ValueLayout.JAVA_LONG, platforms);
      Results.check(
          CL10.nclGetPlatformIDs(platforms, handles.address(), 0), "listing the platforms");
      for (int p = 0; p < platforms; p++) {
        long platform = handles.getAtIndex(ValueLayout.JAVA_LONG, p);
        String name = platformName(arena, platform);
        for (long device : deviceHandles(arena, platform, name)) {
          found.add(facts(found.size(), platform, name, device));
        }
      }
    }
    return found;
  }

  private static String platformName(Arena arena, long platform) {
    MemorySegment text = arena.allocate(256);
    Results.check(
        CL10.nclGetPlatformInfo(
            platform, CL10.CL_PLATFORM_NAME, text.byteSize(), text.address(), 0),
        "naming a platform");
    return text.getString(0, StandardCharsets.UTF_8).strip();
  }

  private static long[] deviceHandles(Arena arena, long platform, String name) {
    MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
    int result = CL10.nclGetDeviceIDs(platform, CL10.CL_DEVICE_TYPE_ALL, 0, 0, count.address());
    if (result == CL10.CL_DEVICE_NOT_FOUND) {
      return new long[0];
    }
    Results.check(result, "counting the devices of " + name);
    int devices = count.get(ValueLayout.JAVA_INT, 0);
    MemorySegment handles = arena.allocate(ValueLayout.JAVA_LONG, devices);
    Results.check(
        CL10.nclGetDeviceIDs(platform, CL10.CL_DEVICE_TYPE_ALL, devices, handles.address(), 0),
        "listing the devices of " + name);
    return handles.toArray(ValueLayout.JAVA_LONG);
  }

  private static DeviceFacts facts(int ordinal, long handle, String platform, long device) {
    return new DeviceFacts(
        ordinal,
        platform,
        text(device, CL10.CL_DEVICE_NAME),
        text(device, CL10.CL_DEVICE_VERSION),
        text(device, CL10.CL_DRIVER_VERSION),
        handle,
        device,
        (number(device, CL10.CL_DEVICE_TYPE) & CL10.CL_DEVICE_TYPE_CPU) != 0,
        number(device, CL10.CL_DEVICE_GLOBAL_MEM_SIZE),
        number(device, CL10.CL_DEVICE_MAX_MEM_ALLOC_SIZE),
        Math.toIntExact(number(device, CL10.CL_DEVICE_MAX_WORK_GROUP_SIZE)),
        Math.toIntExact(number(device, CL10.CL_DEVICE_LOCAL_MEM_SIZE)),
        Math.toIntExact(number(device, CL10.CL_DEVICE_MAX_COMPUTE_UNITS)),
        Set.of(text(device, CL10.CL_DEVICE_EXTENSIONS).split(" +")));
  }

  /** Whether the device runs what the kernels are written in. */
  static Optional<Probe.Unusable> unfit(DeviceFacts device) {
    if (number(device.handle(), CL10.CL_DEVICE_AVAILABLE) == 0
        || number(device.handle(), CL10.CL_DEVICE_COMPILER_AVAILABLE) == 0) {
      return refused(device + " is not available or has no compiler", "use another device");
    }
    if (device.version().matches("OpenCL 1\\.[01].*")) {
      return refused(
          device + " speaks " + device.version().strip() + ", 1.2 is needed",
          "update the driver, or use another device (--device)");
    }
    return Optional.empty();
  }

  /**
   * Bytes that are free, as far as the driver tells; a processor's are the machine's. Where it does
   * not, a guess: others have some of it, the desktop, say.
   */
  static long freeBytes(DeviceFacts device) {
    if (device.cpu()) {
      long total = device.totalBytes();
      return Math.min(total, HostResources.local().freeMemory().orElse(total));
    }
    return device.has(FREE_MEMORY_EXTENSION)
        ? 1024 * number(device.handle(), QUERY_FREE_AMD)
        : guessedFree(device.totalBytes());
  }

  static long guessedFree(long total) {
    return total - total / 8;
  }

  /** Whether {@link #freeBytes} is a guess. */
  static boolean guessesFree(DeviceFacts device) {
    return !device.cpu() && !device.has(FREE_MEMORY_EXTENSION);
  }

  private static String text(long device, int what) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      Results.check(CL10.nclGetDeviceInfo(device, what, 0, 0, size.address()), "asking a device");
      MemorySegment text = arena.allocate(size.get(ValueLayout.JAVA_LONG, 0) + 1);
      Results.check(
          CL10.nclGetDeviceInfo(device, what, text.byteSize() - 1, text.address(), 0),
          "asking a device");
      return text.getString(0, StandardCharsets.UTF_8).strip();
    }
  }

  /** Four or eight bytes, as the device answers; of more the first eight. */
  static long number(long device, int what) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG, 8);
      Results.check(
          CL10.nclGetDeviceInfo(device, what, value.byteSize(), value.address(), 0),
          "asking a device");
      return value.get(ValueLayout.JAVA_LONG, 0);
    }
  }
}
