package dev.yuzui.spi;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * @param threads of the host; 0 means physical cores
 * @param device as the user named it ({@code cuda:0}, {@code opencl:Intel}), or empty for the first
 * @param repack whether weights may be copied into an order that suits the processor
 * @param earlyLaunch whether kernels may begin while those before them end, where a device and its
 *     driver can do that
 * @param cache a folder of the user's for files that can be made again, such as compiled kernels;
 *     empty keeps none
 * @param repackCache where repacked weights may be kept; empty keeps none
 * @param log what a backend chose and why, a line each; shown under {@code -v}
 * @param notice what the user waits for, a line each; always shown
 */
public record BackendOptions(
    int threads,
    Optional<String> device,
    boolean repack,
    boolean earlyLaunch,
    Optional<Path> cache,
    Optional<RepackCache> repackCache,
    Consumer<String> log,
    Consumer<String> notice) {
  public BackendOptions(
      int threads, Optional<String> device, boolean repack, Consumer<String> log) {
    this(threads, device, repack, true, Optional.empty(), Optional.empty(), log, line -> {});
  }

  public static BackendOptions defaults() {
    return new BackendOptions(0, Optional.empty(), true, line -> {});
  }

  public BackendOptions withThreads(int count) {
    return RecordCopy.with(this, "threads", count);
  }

  public BackendOptions withRepack(boolean allowed) {
    return RecordCopy.with(this, "repack", allowed);
  }

  public BackendOptions withEarlyLaunch(boolean allowed) {
    return RecordCopy.with(this, "earlyLaunch", allowed);
  }

  public BackendOptions withRepackCache(RepackCache where) {
    return RecordCopy.with(this, "repackCache", Optional.of(where));
  }

  public BackendOptions withNotice(Consumer<String> sink) {
    return RecordCopy.with(this, "notice", sink);
  }
}
