package dev.yuzui.spi;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The Linux control groups that this process is in, version 1, 2 or both. The limits of every
 * ancestor hold, as far up as the container shows them; a file that is not there limits nothing.
 *
 * @param root of the file system: {@code /}
 */
record ControlGroups(Path root) {
  /** What version 1 has for "unlimited" is a few pages below 2^63. */
  private static final long UNLIMITED = 1L << 62;

  /** A group, or an ancestor of it. */
  private record Group(boolean second, Path folder) {
    /** Bytes that may yet be taken: clean file cache is given back before anything is refused. */
    OptionalLong memoryRoom() {
      OptionalLong limit =
          second
              ? least(Stream.of(number("memory.max"), number("memory.high")))
              : number("memory.limit_in_bytes");
      OptionalLong used = number(second ? "memory.current" : "memory.usage_in_bytes");
      if (limit.isEmpty() || used.isEmpty()) {
        return OptionalLong.empty();
      }
      String prefix = second ? "" : "total_";
      long cache = statistic(prefix + "inactive_file") + statistic(prefix + "active_file");
      return OptionalLong.of(
          Math.max(0, limit.getAsLong() - Math.max(0, used.getAsLong() - cache)));
    }

    /** Processors' worth of time. */
    OptionalDouble processors() {
      String[] words =
          second
              ? line("cpu.max").orElse("max").split(" ", -1)
              : new String[] {
                line("cpu.cfs_quota_us").orElse("-1"), line("cpu.cfs_period_us").orElse("")
              };
      OptionalLong quota = parsed(words[0]);
      OptionalLong period = words.length > 1 ? parsed(words[1]) : OptionalLong.empty();
      return quota.isPresent() && period.isPresent() && period.getAsLong() > 0
          ? OptionalDouble.of((double) quota.getAsLong() / period.getAsLong())
          : OptionalDouble.empty();
    }

    private long statistic(String name) {
      return lines(folder.resolve("memory.stat"))
          .filter(line -> line.startsWith(name + " "))
          .flatMapToLong(line -> parsed(line.substring(name.length() + 1)).stream())
          .findFirst()
          .orElse(0);
    }

    private OptionalLong number(String file) {
      return line(file).map(Group::parsed).orElse(OptionalLong.empty());
    }

    private Optional<String> line(String file) {
      return lines(folder.resolve(file)).findFirst();
    }

    /** Empty for what limits nothing: {@code max}, {@code -1}, and numbers without end. */
    private static OptionalLong parsed(String text) {
      try {
        long number = Long.parseLong(text.strip());
        return number < 0 || number >= UNLIMITED ? OptionalLong.empty() : OptionalLong.of(number);
      } catch (NumberFormatException _) {
        return OptionalLong.empty();
      }
    }
  }

  /** Where a hierarchy is mounted, and which of its groups is seen there. */
  private record Mount(boolean second, String options, String group, String folder) {
    boolean has(String controller) {
      return second || List.of(options.split(",")).contains(controller);
    }
  }

  /** Bytes that every group leaves room for; empty where none has a limit. */
  OptionalLong memoryRoom() {
    return least(groups("memory").stream().map(Group::memoryRoom));
  }

  /** Processors' worth of time that every group leaves; empty where none has a limit. */
  OptionalDouble processors() {
    return groups("cpu").stream().flatMapToDouble(g -> g.processors().stream()).min();
  }

  private static OptionalLong least(Stream<OptionalLong> numbers) {
    return numbers.flatMapToLong(OptionalLong::stream).min();
  }

  private List<Group> groups(String controller) {
    List<Group> groups = new ArrayList<>();
    List<Mount> mounts = mounts(controller);
    lines(root.resolve("proc/self/cgroup"))
        .map(line -> line.split(":", 3))
        .filter(parts -> parts.length == 3)
        .forEach(
            parts -> {
              boolean second = parts[1].isEmpty();
              if (second || List.of(parts[1].split(",")).contains(controller)) {
                mounts.stream()
                    .filter(m -> m.second() == second && m.has(controller))
                    .findFirst()
                    .ifPresent(mount -> add(groups, mount, parts[2]));
              }
            });
    return groups;
  }

  /**
   * The group and its ancestors, as far as they are seen. Of a group outside of what is mounted, as
   * a container may be told of, only what is mounted is known.
   */
  private void add(List<Group> groups, Mount mount, String path) {
    Path top = root.resolve(mount.folder().substring(1)).normalize();
    String above = mount.group().equals("/") ? "" : mount.group();
    boolean inside = path.equals(above) || path.startsWith(above + "/");
    Path folder = top.resolve(inside ? "." + path.substring(above.length()) : ".").normalize();
    if (!folder.startsWith(top)) {
      folder = top;
    }
    for (; folder.startsWith(top); folder = folder.getParent()) {
      if (Files.isDirectory(folder)) {
        groups.add(new Group(mount.second(), folder));
      }
      if (folder.getParent() == null) {
        break;
      }
    }
  }

  /** As the kernel lists them; where it does not, where distributions have them. */
  private List<Mount> mounts(String controller) {
    List<Mount> mounts =
        lines(root.resolve("proc/self/mountinfo"))
            .map(ControlGroups::mount)
            .flatMap(Optional::stream)
            .toList();
    return mounts.isEmpty()
        ? List.of(
            new Mount(true, "", "/", "/sys/fs/cgroup"),
            new Mount(false, controller, "/", "/sys/fs/cgroup/" + controller))
        : mounts;
  }

  /**
   * {@code 36 25 0:31 /group /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory}; a space
   * in a name is {@code \040}.
   */
  private static Optional<Mount> mount(String line) {
    String[] halves = line.split(" - ", 2);
    String[] first = halves[0].split(" ", -1);
    String[] last = halves.length > 1 ? halves[1].split(" ", -1) : new String[0];
    if (first.length < 5 || last.length < 3 || !last[0].startsWith("cgroup")) {
      return Optional.empty();
    }
    Function<String, String> plain = name -> name.replace("\\040", " ");
    return Optional.of(
        new Mount(
            last[0].equals("cgroup2"), last[2], plain.apply(first[3]), plain.apply(first[4])));
  }

  /** Of a system file; none where it is not there or may not be read. */
  static Stream<String> lines(Path file) {
    try {
      return Files.readAllLines(file).stream();
    } catch (IOException _) {
      return Stream.empty();
    }
  }
}
