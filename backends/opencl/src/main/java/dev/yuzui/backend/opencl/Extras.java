package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.lwjgl.opencl.AMDDeviceAttributeQuery;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL21;
import org.lwjgl.opencl.CL30;
import org.lwjgl.opencl.KHRFP16;
import org.lwjgl.opencl.KHRIntegerDotProduct;

/**
 * What a device has besides OpenCL C 1.2 that kernels are built to use, each behind a macro of
 * device.clh; the plain forms need none of it.
 *
 * @param subgroup work-items of a sub-group, as far as the driver tells beforehand: kernels are
 *     right with any number; 0 where there are no sub-groups
 * @param dots whether four products of signed bytes and their sum are an instruction
 * @param halves numbers of sixteen bits are multiplied as such, twice as many at a time
 * @param emulated the built-ins are device.clh's own, with sub-groups of one work-item: for tests
 */
record Extras(int subgroup, boolean dots, boolean halves, boolean emulated) {
  static final Extras NONE = new Extras(0, false, false, false);

  private static final String SUBGROUPS = "cl_khr_subgroups";
  private static final String DOTS = "cl_khr_integer_dot_product";
  private static final String HALVES = "cl_khr_fp16";

  /** Of a processor nothing: its kernels have no lanes. */
  static Extras of(DeviceFacts device) {
    return device.cpu()
        ? NONE
        : new Extras(
            hasSubgroups(device) ? likelySize(device) : 0,
            hasDots(device),
            hasHalves(device),
            false);
  }

  /** Before version 2 the language has none. */
  private static boolean hasSubgroups(DeviceFacts device) {
    return isVersion3(device)
        ? asked(device, CL21.CL_DEVICE_MAX_NUM_SUB_GROUPS) > 0
        : device.has(SUBGROUPS) && !device.version().startsWith("OpenCL 1");
  }

  private static int likelySize(DeviceFacts device) {
    long size = 0;
    if (device.has("cl_amd_device_attribute_query")) {
      size = asked(device, AMDDeviceAttributeQuery.CL_DEVICE_WAVEFRONT_WIDTH_AMD);
    } else if (isVersion3(device)) {
      size = asked(device, CL30.CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE);
    }
    return size == 0 ? 32 : (int) Long.highestOneBit(Math.clamp(size, 8, 64));
  }

  /** Slower than floats where it is no instruction. */
  private static boolean hasDots(DeviceFacts device) {
    int properties =
        KHRIntegerDotProduct.CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR;
    return isVersion3(device) && device.has(DOTS) && (int) asked(device, properties) != 0;
  }

  /** Products of small numbers are denormal. */
  private static boolean hasHalves(DeviceFacts device) {
    return device.has(HALVES)
        && (asked(device, KHRFP16.CL_DEVICE_HALF_FP_CONFIG) & CL10.CL_FP_DENORM) != 0;
  }

  private static boolean isVersion3(DeviceFacts device) {
    return device.version().startsWith("OpenCL 3");
  }

  /** Zero if the driver has no answer. */
  private static long asked(DeviceFacts device, int what) {
    try {
      return Driver.number(device.handle(), what);
    } catch (BackendException e) {
      return 0;
    }
  }

  List<String> extensions() {
    return Stream.of(subgroup > 0 ? SUBGROUPS : "", dots ? DOTS : "", halves ? HALVES : "")
        .filter(s -> !s.isEmpty())
        .toList();
  }

  /** Empty where there is nothing besides. */
  String options(DeviceFacts device) {
    if (extensions().isEmpty()) {
      return "";
    }
    boolean newer = !emulated && (subgroup > 0 || dots);
    String standard = !newer ? "CL1.2" : isVersion3(device) ? "CL3.0" : "CL2.0";
    return "-cl-std="
        + standard
        + (subgroup > 0 ? " -DSUBGROUPS" : "")
        + (dots ? " -DDOT_PRODUCT" : "")
        + (halves ? " -DHALF" : "")
        + (emulated ? " -DEMULATED" : "");
  }

  void tell(DeviceFacts device, Consumer<String> log) {
    String without = device.cpu() ? "it is a processor" : "the device has none";
    log.accept(
        subgroup > 0
            ? "opencl: sums are joined by sub-groups of " + subgroup
            : "opencl: sums are joined in local memory, not by sub-groups: " + without);
    log.accept(
        dots
            ? "opencl: few rows of quantised weights are multiplied by integer dot products"
            : "opencl: quantised weights are multiplied as floats, not by integer dot products: "
                + without);
    log.accept(
        halves
            ? "opencl: many rows are multiplied as halves by quantised weights and those of F16"
            : "opencl: many rows are multiplied as floats, not as halves: " + without);
  }
}
