package dev.yuzui.spi;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * What this process may have of the machine: memory and processors, less what its control groups
 * keep from it. Linux tells all of it, other systems what the JVM knows.
 */
public final class HostResources {
  private final Path root;
  private final int available;
  private final ControlGroups groups;

  /** This process's. */
  public static HostResources local() {
    return new HostResources(Path.of("/"), Runtime.getRuntime().availableProcessors());
  }

  /**
   * @param root of the file system
   * @param available processors that the JVM counts
   */
  HostResources(Path root, int available) {
    this.root = root;
    this.available = available;
    this.groups = new ControlGroups(root);
  }

  /**
   * Bytes that can be had without swapping: the least of the machine's free memory and of the room
   * that each control group has; empty where the system does not tell.
   */
  public OptionalLong freeMemory() {
    OptionalLong machine =
        lines("proc/meminfo")
            .filter(line -> line.startsWith("MemAvailable:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
            .findFirst();
    return LongStream.concat(machine.stream(), groups.memoryRoom().stream()).min();
  }

  /** The processors' model, where the system has a name for it. */
  public Optional<String> processorName() {
    return lines("proc/cpuinfo")
        .filter(line -> line.startsWith("model name"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst();
  }

  /** Threads that can run at once: of the processors allowed, as many as their time is granted. */
  public int processors() {
    int allowed = allowed().length;
    int granted = (int) Math.ceil(groups.processors().orElse(available));
    return Math.max(1, Math.min(available, Math.min(granted, allowed > 0 ? allowed : available)));
  }

  /** Physical cores among the processors allowed, and no more than {@link #processors()}. */
  public int cores() {
    int firsts = firsts().size();
    return firsts > 0 ? Math.min(firsts, processors()) : processors();
  }

  /** Numbers of the processors allowed, one of each core first; empty where they are not known. */
  public int[] processorOrder() {
    Set<Integer> firsts = firsts();
    return IntStream.concat(
            firsts.stream().mapToInt(Integer::intValue),
            Arrays.stream(allowed()).filter(cpu -> !firsts.contains(cpu)))
        .toArray();
  }

  /** The first processor of each core. */
  private Set<Integer> firsts() {
    Set<Integer> firsts = new LinkedHashSet<>();
    Set<String> seen = new LinkedHashSet<>();
    for (int cpu : allowed()) {
      String siblings = "sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list";
      if (seen.add(lines(siblings).findFirst().orElse("only " + cpu))) {
        firsts.add(cpu);
      }
    }
    return firsts;
  }

  /** By affinity, and with it by the cpuset. */
  private int[] allowed() {
    return lines("proc/self/status")
        .filter(line -> line.startsWith("Cpus_allowed_list:"))
        .findFirst()
        .map(line -> numbers(line.substring(line.indexOf(':') + 1)))
        .orElse(new int[0]);
  }

  /** The system's lists: "0-3,8". */
  private static int[] numbers(String list) {
    return Arrays.stream(list.strip().split(","))
        .flatMapToInt(
            part -> {
              int[] ends = Arrays.stream(part.split("-")).mapToInt(Integer::parseInt).toArray();
              return IntStream.rangeClosed(ends[0], ends[ends.length - 1]);
            })
        .toArray();
  }

  private Stream<String> lines(String file) {
    return ControlGroups.lines(root.resolve(file));
  }
}
