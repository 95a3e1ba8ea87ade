package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.RuntimeOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/**
 * Whether the CPU repacks weights, and where it keeps them: shared by the commands that run any.
 */
public final class RepackOptions {
  @Option(
      names = {"-nr", "--no-repack"},
      description =
          "Use weights where they are mapped: loads at once and takes no memory, runs slower.")
  private boolean noRepack;

  @Option(
      names = "--repack-cache",
      arity = "0..1",
      paramLabel = "DIR",
      parameterConsumer = MayNameFolder.class,
      description =
          "CPU: keep repacked weights in a file, as large as the model, which later starts map"
              + " instead of repacking (default: none is kept; without DIR: the user's cache"
              + " folder). 'yuzui inspect' says where and how large.")
  private Optional<Path> cache = Optional.empty();

  /** Where files lie if the flag names no folder. */
  public static Path defaultFolder(Context context) {
    return context.surroundings().cache().resolve("repacked");
  }

  /**
   * @throws UsageException if the flags contradict each other, or name a file
   */
  public RuntimeOptions applied(Context context, RuntimeOptions options) {
    RuntimeOptions repacked = options.withRepack(!noRepack);
    if (cache.isEmpty()) {
      return repacked;
    }
    if (noRepack) {
      throw new UsageException(
          "--no-repack and --repack-cache: expected one of them, found both; without repacking"
              + " there is nothing to keep");
    }
    Path folder =
        cache.get().toString().isEmpty() ? defaultFolder(context) : cache.get().toAbsolutePath();
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw UsageException.ofFlag("--repack-cache", "a folder", folder + ", which is none");
    }
    return repacked.withRepackCache(folder);
  }
}
