package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The processor: always there. */
public final class CpuProvider implements BackendProvider {
  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public int preference() {
    return 0;
  }

  @Override
  public Probe probe() {
    return new Probe.Usable(processor() + ", " + kernels(), kibibytes("MemAvailable") << 10);
  }

  /** They are multiplied where the file is mapped. */
  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count) {
    return 0;
  }

  @Override
  public Backend open(BackendOptions options) {
    options.requireOnly(name());
    int threads =
        options.threads() > 0
            ? options.threads()
            : physicalCores().orElse(Runtime.getRuntime().availableProcessors());
    return new CpuBackend(
        KernelChoice.choose(options.repack(), options.log()), threads, processor());
  }

  /** What runs, and why nothing faster does. */
  private static String kernels() {
    StringBuilder why = new StringBuilder();
    NativeKernels.find(because -> why.append(" (no native ones: ").append(because).append(')'));
    return KernelChoice.choose(true, _ -> {}).description() + why;
  }

  private static String processor() {
    return lines("/proc/cpuinfo")
        .filter(line -> line.startsWith("model name"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst()
        .orElse(System.getProperty("os.arch"));
  }

  /** Cores that this process may use, counting the threads of a core once. */
  private static Optional<Integer> physicalCores() {
    List<String> ids =
        lines("/proc/cpuinfo")
            .filter(line -> line.startsWith("physical id") || line.startsWith("core id"))
            .map(line -> line.substring(line.indexOf(':') + 1).strip())
            .toList();
    long cores =
        Stream.iterate(0, i -> i + 2)
            .limit(ids.size() / 2)
            .map(i -> ids.get(i) + "/" + ids.get(i + 1))
            .distinct()
            .count();
    return cores == 0
        ? Optional.empty()
        : Optional.of((int) Math.min(cores, Runtime.getRuntime().availableProcessors()));
  }

  private static long kibibytes(String field) {
    return lines("/proc/meminfo")
        .filter(line -> line.startsWith(field + ":"))
        .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElse(Runtime.getRuntime().maxMemory() >> 10);
  }

  /** Lines of a system file, or none where there is no such file. */
  private static Stream<String> lines(String file) {
    try {
      return Files.readAllLines(Path.of(file)).stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }
}
