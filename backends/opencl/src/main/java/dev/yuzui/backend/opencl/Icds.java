package dev.yuzui.backend.opencl;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** What is installed for the OpenCL loader: a file for each driver, with its library's name. */
final class Icds {
  private static final Path FOLDER = Path.of("/etc/OpenCL/vendors");

  /** The kernel's graphics devices. */
  private static final Path GRAPHICS = Path.of("/dev/dri");

  /** Drivers of processors, and of devices that the cuda backend runs. */
  private static final List<String> SERVED_BETTER = List.of("pocl", "nvidia");

  /** Mesa's, which desktops install everywhere: they have nothing without a graphics device. */
  private static final List<String> OF_GRAPHICS = List.of("mesa", "rusticl");

  private Icds() {}

  /** Whether there is a driver that may have a device and that no other backend serves better. */
  static boolean others() {
    return others(FOLDER, Files.exists(GRAPHICS));
  }

  static boolean others(Path folder, boolean graphics) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(f -> f.toString().endsWith(".icd")).anyMatch(f -> isOther(f, graphics));
    } catch (IOException e) {
      return false;
    }
  }

  private static boolean isOther(Path icd, boolean graphics) {
    try {
      String library = Files.readString(icd).toLowerCase(Locale.ROOT);
      return SERVED_BETTER.stream().noneMatch(library::contains)
          && (graphics || OF_GRAPHICS.stream().noneMatch(library::contains));
    } catch (IOException e) {
      return false;
    }
  }
}
