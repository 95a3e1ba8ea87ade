package dev.yuzui.cli.shell;

import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
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
 * @param stdoutCopy the same of stdout ({@code -Dyuzui.stdout})
 * @param hub those variables of the environment that are set of what tools of model hubs read, and
 *     their proxies
 */
public record Surroundings(
    Optional<Path> home,
    Path cache,
    Set<String> terminals,
    OptionalInt stderrCopy,
    OptionalInt stdoutCopy,
    Map<String, String> hub) {
  private static final Set<String> HUB =
      Set.of(
          "HF_ENDPOINT",
          "HF_HOME",
          "HF_HUB_CACHE",
          "HF_HUB_OFFLINE",
          "HF_TOKEN",
          "HF_TOKEN_PATH",
          "MODELSCOPE_API_TOKEN",
          "MODELSCOPE_DOMAIN",
          "HTTPS_PROXY",
          "https_proxy",
          "http_proxy",
          "NO_PROXY",
          "no_proxy");

  public Surroundings(
      Optional<Path> home, Path cache, Set<String> terminals, OptionalInt stderrCopy) {
    this(home, cache, terminals, stderrCopy, OptionalInt.empty(), Map.of());
  }

  public static Surroundings ofProcess() {
    return new Surroundings(
        Optional.ofNullable(System.getProperty("yuzui.home")).map(Path::of),
        cacheFolder(),
        Set.of(System.getProperty("yuzui.terminals", "").split(",")),
        number("yuzui.stderr"),
        number("yuzui.stdout"),
        hubVariables());
  }

  private static Map<String, String> hubVariables() {
    Map<String, String> set = new HashMap<>();
    for (String name : HUB) {
      Optional.ofNullable(System.getenv(name))
          .filter(value -> !value.isBlank())
          .ifPresent(value -> set.put(name, value.strip()));
    }
    return Collections.unmodifiableMap(set);
  }

  private static OptionalInt number(String property) {
    return Optional.ofNullable(System.getProperty(property)).stream()
        .mapToInt(Integer::parseInt)
        .findFirst();
  }

  /** As the XDG specification has it: what is no absolute path does not count. */
  private static Path cacheFolder() {
    return absolute(System.getenv("XDG_CACHE_HOME"))
        .or(() -> absolute(System.getenv("HOME")).map(home -> home.resolve(".cache")))
        .or(() -> absolute(System.getProperty("user.home")).map(home -> home.resolve(".cache")))
        .orElseGet(() -> Path.of(System.getProperty("java.io.tmpdir")))
        .resolve("yuzui");
  }

  private static Optional<Path> absolute(String path) {
    return Optional.ofNullable(path).map(Path::of).filter(Path::isAbsolute);
  }

  public boolean inIsTerminal() {
    return terminals.contains("in");
  }

  public boolean outIsTerminal() {
    return terminals.contains("out");
  }

  public boolean errIsTerminal() {
    return terminals.contains("err");
  }
}
