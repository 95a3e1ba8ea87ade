package dev.yuzui.backend.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The processors that this process may use.
 *
 * @param name the model's
 * @param cores physical ones
 * @param order their numbers: one of each physical core first
 */
record Processors(String name, int cores, int[] order) {

  static Processors find() {
    String name =
        lines("/proc/cpuinfo")
            .filter(line -> line.startsWith("model name"))
            .map(line -> line.substring(line.indexOf(':') + 1).strip())
            .findFirst()
            .orElseGet(CpuProvider::platform);
    int[] allowed =
        lines("/proc/self/status")
            .filter(line -> line.startsWith("Cpus_allowed_list:"))
            .findFirst()
            .map(line -> numbers(line.substring(line.indexOf(':') + 1)))
            .orElse(new int[0]);
    int available = Runtime.getRuntime().availableProcessors();
    if (allowed.length == 0) {
      return new Processors(name, available, allowed);
    }
    Set<Integer> firsts = new LinkedHashSet<>();
    Set<String> seen = new LinkedHashSet<>();
    for (int cpu : allowed) {
      String topology = "/sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list";
      if (seen.add(lines(topology).findFirst().orElse("only " + cpu))) {
        firsts.add(cpu);
      }
    }
    int[] order =
        IntStream.concat(
                firsts.stream().mapToInt(Integer::intValue),
                Arrays.stream(allowed).filter(cpu -> !firsts.contains(cpu)))
            .toArray();
    return new Processors(name, Math.min(firsts.size(), available), order);
  }

  /**
   * A processor for each thread of a group, among groups of as many threads; none where they are
   * too few. Only the first group, which may be the only one, takes two processors of a core.
   */
  int[] group(int number, int threads) {
    int from = number * threads;
    int most = number == 0 ? order.length : Math.min(cores, order.length);
    return from + threads <= most ? Arrays.copyOfRange(order, from, from + threads) : new int[0];
  }

  /** The system's lists: "0-3,8". */
  static int[] numbers(String list) {
    return Arrays.stream(list.strip().split(","))
        .flatMapToInt(
            part -> {
              int[] ends = Arrays.stream(part.split("-")).mapToInt(Integer::parseInt).toArray();
              return IntStream.rangeClosed(ends[0], ends[ends.length - 1]);
            })
        .toArray();
  }

  /** Lines of a system file, or none where there is no such file. */
  static Stream<String> lines(String file) {
    try {
      return Files.readAllLines(Path.of(file)).stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }
}
