package dev.yuzui.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * Launches that may begin while the kernel before them still runs (programmatic dependent launch,
 * compute capability 9.0 and later): between two kernels of a step nothing is waited for but what
 * they read. The kernels wait for it themselves, see {@code previous_done} in device.cuh. JCuda
 * does not bind {@code cuLaunchKernelEx}.
 */
final class EarlyLaunch {
  private static final int CAPABILITY = 90;

  /** The first CUDA whose drivers record such launches. */
  private static final int DRIVER = 12030;

  /** CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION. */
  private static final int PROGRAMMATIC = 6;

  /** CUlaunchConfig: seven sizes, the stream at 32, the attributes at 40, their count at 48. */
  private static final long CONFIG_BYTES = 56;

  /** CUlaunchAttribute: its number, its value at 8. */
  private static final long ATTRIBUTE_BYTES = 72;

  private final MethodHandle launch =
      Linker.nativeLinker()
          .downcallHandle(
              SymbolLookup.libraryLookup(Driver.LIBRARY, Arena.global())
                  .findOrThrow("cuLaunchKernelEx"),
              FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  private final MemorySegment attribute = Arena.ofAuto().allocate(ATTRIBUTE_BYTES, 8);

  EarlyLaunch() {
    attribute.set(JAVA_INT, 0, PROGRAMMATIC);
    attribute.set(JAVA_INT, 8, 1);
  }

  static boolean suits(CudaDevice device) {
    return device.capability() >= CAPABILITY && device.driver() >= DRIVER;
  }

  /** Answers the driver's result. */
  int launch(
      Address.Function function,
      Launches.Shape shape,
      Address.Stream stream,
      MemorySegment parameters) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment config = arena.allocate(CONFIG_BYTES, 8);
      int[] sizes = {
        shape.gridX(), shape.gridY(), shape.gridZ(), shape.block(), 1, 1, shape.shared()
      };
      MemorySegment.copy(sizes, 0, config, JAVA_INT, 0, sizes.length);
      config.set(JAVA_LONG, 32, stream.value());
      config.set(ADDRESS, 40, attribute);
      config.set(JAVA_INT, 48, 1);
      return (int)
          launch.invokeExact(
              config, MemorySegment.ofAddress(function.value()), parameters, MemorySegment.NULL);
    } catch (Throwable e) {
      throw new LinkageError("cuLaunchKernelEx", e);
    }
  }
}
