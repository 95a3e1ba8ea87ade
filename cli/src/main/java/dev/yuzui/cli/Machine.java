package dev.yuzui.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The processor, for benchmark reports. */
final class Machine {
  private static final Path CPUINFO = Path.of("/proc/cpuinfo");

  private Machine() {}

  static String processor() {
    return values("model name").stream().findFirst().orElse(System.getProperty("os.arch"));
  }

  /** Counts the threads of a core once; where that cannot be read, all of them. */
  static int physicalCores() {
    List<String> packages = values("physical id");
    List<String> cores = values("core id");
    Set<String> distinct = new HashSet<>();
    for (int i = 0; i < Math.min(packages.size(), cores.size()); i++) {
      distinct.add(packages.get(i) + "/" + cores.get(i));
    }
    int available = Runtime.getRuntime().availableProcessors();
    return distinct.isEmpty() ? available : Math.min(distinct.size(), available);
  }

  private static List<String> values(String key) {
    try {
      return Files.readAllLines(CPUINFO).stream()
          .filter(line -> line.startsWith(key))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .toList();
    } catch (IOException _) {
      return List.of();
    }
  }
}
