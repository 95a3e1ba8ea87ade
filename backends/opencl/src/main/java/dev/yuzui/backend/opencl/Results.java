package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import java.util.Map;
import java.util.Optional;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL11;

/** What the driver's calls return, and the message for each failure. */
final class Results {
  private static final Map<Integer, String> NAMES =
      Map.ofEntries(
          Map.entry(CL10.CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND"),
          Map.entry(CL10.CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE"),
          Map.entry(CL10.CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE"),
          Map.entry(CL10.CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE"),
          Map.entry(CL10.CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES"),
          Map.entry(CL10.CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY"),
          Map.entry(CL10.CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE"),
          Map.entry(
              CL11.CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
              "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"),
          Map.entry(CL10.CL_INVALID_VALUE, "CL_INVALID_VALUE"),
          Map.entry(CL10.CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT"),
          Map.entry(CL10.CL_INVALID_BINARY, "CL_INVALID_BINARY"),
          Map.entry(CL10.CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS"),
          Map.entry(CL10.CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME"),
          Map.entry(CL10.CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX"),
          Map.entry(CL10.CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE"),
          Map.entry(CL10.CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE"),
          Map.entry(CL10.CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS"),
          Map.entry(CL10.CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE"),
          Map.entry(CL10.CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE"),
          Map.entry(CL10.CL_INVALID_OPERATION, "CL_INVALID_OPERATION"),
          Map.entry(CL10.CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE"),
          Map.entry(CL10.CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE"));

  private Results() {}

  /**
   * @throws BackendException unless {@code result} is success
   */
  static void check(int result, String what) {
    if (result != CL10.CL_SUCCESS) {
      throw failure(result, what);
    }
  }

  static BackendException failure(int result, String what) {
    return new BackendException(
        "OpenCL: "
            + what
            + " failed with "
            + Optional.ofNullable(NAMES.get(result)).orElse("error")
            + " ("
            + result
            + ")",
        switch (result) {
          case CL10.CL_MEM_OBJECT_ALLOCATION_FAILURE,
              CL10.CL_OUT_OF_RESOURCES,
              CL10.CL_INVALID_BUFFER_SIZE,
              CL10.CL_OUT_OF_HOST_MEMORY ->
              Cl.SMALLER;
          case CL10.CL_DEVICE_NOT_AVAILABLE -> "see whether `clinfo` still lists the device";
          default -> "try --backend cpu, and update the device's driver";
        });
  }
}
