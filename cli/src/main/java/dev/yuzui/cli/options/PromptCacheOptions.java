package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Whether what was read is kept between runs: shared by {@code generate} and {@code chat}. */
public final class PromptCacheOptions {
  @Option(
      names = "--prompt-cache",
      paramLabel = "FILE",
      description =
          "Keep what the model has read in FILE, so that the next run that begins with the same text"
              + " reads only what is new. Made if it is not there, else replaced when there is more.")
  private Optional<Path> file = Optional.empty();

  /** Before the model is loaded, for the file is written after all else. */
  public void validate() {
    file.map(Path::toAbsolutePath)
        .map(Path::getParent)
        .filter(folder -> !Files.isDirectory(folder))
        .ifPresent(
            folder -> {
              throw UsageException.ofFlag(
                  "--prompt-cache", "a file in a folder that exists", file.get().toString());
            });
  }

  /** With what the file holds, if there is one. */
  public Optional<PromptCache> open(Engine engine) {
    return file.map(path -> PromptCache.open(engine, path));
  }

  /** What there is to say has been said by now, so that nothing is lost where this fails. */
  public static void save(PromptCache cache, GenerateRequest request, GenerationResult result) {
    try {
      cache.save(request, result);
    } catch (EngineException e) {
      throw new FailedException(e.getMessage());
    }
  }
}
