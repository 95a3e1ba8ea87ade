package dev.yuzui.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What the process was started with. Nothing else reads system properties or the environment.
 *
 * @param home the checkout the launcher started from ({@code -Dyuzui.home})
 * @param cache a folder of the user's for files that can be made again
 * @param terminals which of {@code in}, {@code out}, {@code err} are terminals ({@code
 *     -Dyuzui.terminals})
 * @param stderrCopy file descriptor that stderr is kept under ({@code -Dyuzui.stderr})
 */
record Surroundings(
    Optional<Path> home, Path cache, Set<String> terminals, OptionalInt stderrCopy) {

  static Surroundings ofProcess() {
    return new Surroundings(
        Optional.ofNullable(System.getProperty("yuzui.home")).map(Path::of),
        cacheFolder(),
        Set.of(System.getProperty("yuzui.terminals", "").split(",")),
        Optional.ofNullable(System.getProperty("yuzui.stderr")).stream()
            .mapToInt(Integer::parseInt)
            .findFirst());
  }

  private static Path cacheFolder() {
    Optional<String> xdg =
        Optional.ofNullable(System.getenv("XDG_CACHE_HOME")).filter(s -> !s.isBlank());
    return xdg.map(Path::of)
        .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache"))
        .resolve("yuzui");
  }

  boolean inIsTerminal() {
    return terminals.contains("in");
  }

  boolean outIsTerminal() {
    return terminals.contains("out");
  }

  boolean errIsTerminal() {
    return terminals.contains("err");
  }
}
