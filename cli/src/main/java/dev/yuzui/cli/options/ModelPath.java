package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What {@code -m} may mean beside a file or a folder: a model's folder in the Hugging Face hub's
 * cache, {@code models--ORG--NAME}, whose files lie in a snapshot; and a name on the hub, which
 * {@code -hf} is for.
 */
public final class ModelPath {
  private static final String CACHED = "models--";

  /** {@code ORG/NAME}, {@code hf.co/ORG/NAME:QUANT}; a Path has lost one slash of {@code ://}. */
  private static final Pattern HUB_NAME =
      Pattern.compile(
          "(?:https?:/+)?(?:(?:www\\.)?(?:hf\\.co|huggingface\\.co)/)?"
              + "([\\w-][\\w.-]*)/([\\w-][\\w.-]*)(?::([\\w.-]+))?/?");

  private ModelPath() {}

  /**
   * {@code typed}, or the snapshot in it.
   *
   * @throws UsageException if it is no path, but a name on the hub, or a cache without a snapshot
   */
  public static Path resolved(Context context, Path typed) {
    if (Files.isDirectory(typed)) {
      Optional<Path> cached = cacheFolder(typed.toAbsolutePath().normalize());
      cached.ifPresent(
          folder ->
              context
                  .err()
                  .println("-m " + typed + ": the hub's cache; taking " + snapshot(typed, folder)));
      return cached.map(folder -> snapshot(typed, folder)).orElse(typed);
    }
    Matcher hub = HUB_NAME.matcher(typed.toString());
    if (!Files.exists(typed) && hub.matches() && !looksLikePath(typed)) {
      throw onHub(typed, hub);
    }
    return typed;
  }

  /** The folder of a model in the hub's cache, of which {@code folder} is all or an inner part. */
  private static Optional<Path> cacheFolder(Path folder) {
    Path name = folder.getFileName();
    if (name == null) {
      return Optional.empty();
    }
    if (isCache(folder)) {
      return Optional.of(folder);
    }
    boolean part = List.of("snapshots", "blobs", "refs").contains(name.toString());
    return Optional.ofNullable(folder.getParent()).filter(parent -> part && isCache(parent));
  }

  private static boolean isCache(Path folder) {
    boolean named =
        folder.getFileName() != null && folder.getFileName().toString().startsWith(CACHED);
    return Files.isDirectory(folder.resolve("blobs"))
        && (named || Files.isDirectory(folder.resolve("refs")))
        && !Files.exists(folder.resolve("config.json"));
  }

  private static Path snapshot(Path typed, Path cache) {
    List<Path> all = folders(cache.resolve("snapshots"));
    Optional<Path> main =
        mainRevision(cache)
            .map(revision -> cache.resolve("snapshots").resolve(revision))
            .filter(all::contains);
    if (main.isPresent() || all.size() == 1) {
      return main.orElseGet(all::getFirst);
    }
    String expected = "the hub's cache of a model, with one snapshot or one that refs/main names";
    throw UsageException.ofFlag(
        "-m " + typed,
        expected,
        all.isEmpty()
            ? "none: a download was not finished; 'yuzui pull "
                + repository(cache)
                + "' begins anew"
            : all.size() + " of them; give one: " + String.join(", ", strings(all)));
  }

  private static Optional<String> mainRevision(Path cache) {
    Path main = cache.resolve("refs").resolve("main");
    try {
      return Files.isRegularFile(main)
          ? Optional.of(Files.readString(main).strip()).filter(r -> r.matches("\\w+"))
          : Optional.empty();
    } catch (IOException _) {
      return Optional.empty(); // as if it were not there
    }
  }

  private static String repository(Path cache) {
    String name = cache.getFileName().toString();
    return name.startsWith(CACHED)
        ? name.substring(CACHED.length()).replaceFirst("--", "/")
        : "ORG/NAME";
  }

  private static List<String> strings(List<Path> paths) {
    return paths.stream().map(Path::toString).toList();
  }

  private static List<Path> folders(Path parent) {
    if (!Files.isDirectory(parent)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(parent)) {
      return entries.filter(Files::isDirectory).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A mistyped file is no name on the hub. */
  private static boolean looksLikePath(Path typed) {
    String text = typed.toString();
    Path parent = typed.getParent();
    return text.endsWith(".gguf")
        || text.endsWith(".safetensors")
        || text.startsWith(".")
        || parent != null && Files.exists(parent);
  }

  private static UsageException onHub(Path typed, Matcher hub) {
    String name = hub.group(1) + "/" + hub.group(2);
    String quant = hub.group(3) == null ? "" : ":" + hub.group(3);
    return UsageException.ofFlag(
        "-m " + typed,
        "a file or folder",
        "a name on the Hugging Face hub; -hf " + name + quant + " takes it from there");
  }
}
