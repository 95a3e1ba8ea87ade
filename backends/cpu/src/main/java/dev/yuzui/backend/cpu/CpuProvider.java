package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.spi.ProcessorGroups;
import dev.yuzui.spi.RepackCache;
import java.util.Locale;
import java.util.Optional;

/** The processor: always there. */
public final class CpuProvider implements BackendProvider {
  /** The processor without native kernels, as a device. */
  static final String JAVA = "cpu:java";

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public int preference() {
    return 0;
  }

  @Override
  public boolean host() {
    return true;
  }

  @Override
  public Probe probe() {
    return new Probe.Usable(
        Processors.find().name() + ", " + kernels(),
        HostResources.local().freeMemory().orElse(Runtime.getRuntime().maxMemory()));
  }

  @Override
  public Probe probe(Optional<String> device) {
    ProcessorGroups.number(whole(device), device);
    return probe();
  }

  /** What the kernels take is repacked; the rest is multiplied where the file is mapped. */
  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return (repack ? KernelChoice.packing() : Optional.<StripKernels>empty())
        .flatMap(
            kernels ->
                StripType.of(encoding)
                    .filter(kernels::takes)
                    .map(type -> count * kernels.packedBytes(type, rows, cols)))
        .orElse(0L);
  }

  @Override
  public Optional<RepackCache.State> repacked(RepackCache cache, Optional<String> device) {
    boolean java = whole(device).equals(JAVA);
    KernelChoice.Allowed allowed = java ? KernelChoice.Allowed.JAVA : KernelChoice.Allowed.ALL;
    return KernelChoice.choose(allowed, _ -> {})
        .strips()
        .map(kernels -> RepackStore.state(cache, kernels));
  }

  @Override
  public Backend open(BackendOptions options) {
    String whole = whole(options.device());
    boolean java = whole.equals(JAVA);
    int group = ProcessorGroups.number(whole, options.device());
    Processors processors = Processors.find();
    int threads = options.threads() > 0 ? options.threads() : processors.cores();
    KernelChoice.Allowed allowed =
        !options.repack()
            ? KernelChoice.Allowed.MAPPED
            : java ? KernelChoice.Allowed.JAVA : KernelChoice.Allowed.ALL;
    KernelChoice kernels = KernelChoice.choose(allowed, options.log());
    return new CpuBackend(kernels, processors, group, threads, options);
  }

  /** That which the named device is a group of. */
  private static String whole(Optional<String> device) {
    return device
        .filter(name -> name.toLowerCase(Locale.ROOT).startsWith(JAVA))
        .map(_ -> JAVA)
        .orElse("cpu");
  }

  /** What runs, and why nothing faster does. */
  private static String kernels() {
    StringBuilder why = new StringBuilder();
    NativeKernels.find(because -> why.append(" (no native ones: ").append(because).append(')'));
    return KernelChoice.choose(KernelChoice.Allowed.ALL, _ -> {}).description() + why;
  }

  /** System and processor: "linux-amd64". */
  static String platform() {
    return platform(System.getProperty("os.name"), System.getProperty("os.arch"));
  }

  /** One name for what JVMs call by several: "Mac OS X", "Windows 11" and "x86_64". */
  static String platform(String system, String processor) {
    String name = system.toLowerCase(Locale.ROOT);
    String family =
        name.startsWith("mac") ? "macos" : name.startsWith("windows") ? "windows" : name;
    return family + "-" + (processor.equals("x86_64") ? "amd64" : processor);
  }
}
