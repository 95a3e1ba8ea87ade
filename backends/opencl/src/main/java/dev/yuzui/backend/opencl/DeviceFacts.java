package dev.yuzui.backend.opencl;

import java.util.List;
import java.util.Set;

/**
 * What the driver says of a device.
 *
 * @param ordinal among all devices of all platforms
 * @param platform its name
 * @param platformHandle cl_platform_id
 * @param handle cl_device_id
 * @param cpu whether work-items are loops of a processor's threads: then small work-groups with few
 *     barriers are quick
 * @param totalBytes of its memory
 * @param largestBuffer bytes of one buffer at most
 * @param workGroup work-items of a group at most
 * @param localBytes of a group's local memory
 */
record DeviceFacts(
    int ordinal,
    String platform,
    String name,
    String version,
    String driver,
    long platformHandle,
    long handle,
    boolean cpu,
    long totalBytes,
    long largestBuffer,
    int workGroup,
    int localBytes,
    int computeUnits,
    Set<String> extensions) {

  private static final List<String> USED =
      List.of(CommandBuffers.EXTENSION, Driver.FREE_MEMORY_EXTENSION);

  /** What users type after {@code --device}. */
  String label() {
    return "opencl:" + ordinal;
  }

  /** Extensions that make a difference here; none is needed. */
  List<String> used() {
    return cpu ? List.of() : USED.stream().filter(this::has).toList();
  }

  boolean has(String extension) {
    return extensions.contains(extension);
  }

  /**
   * PoCL compiles a kernel for each work-group size it is launched with and keeps that on disk; to
   * give a program's binary it compiles all kernels once more, for no size.
   */
  boolean keepsPrograms() {
    return platform.equals("Portable Computing Language");
  }

  /** Work-items of a group for kernels over rows, a power of two. */
  int rowGroup() {
    return Math.min(cpu ? 32 : 256, Integer.highestOneBit(workGroup));
  }

  /** {@code NVIDIA H200 (opencl:0, NVIDIA CUDA)}. */
  @Override
  public String toString() {
    return "%s (%s, %s)".formatted(name, label(), platform);
  }
}
