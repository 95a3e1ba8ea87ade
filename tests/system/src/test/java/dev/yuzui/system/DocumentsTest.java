package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the README files name is there: a class that moved is a reader who is lost. */
class DocumentsTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  private static final Pattern LINK = Pattern.compile("]\\(([^)#]+)(#[^)]*)?\\)");

  /** A path of folders and a class within a code span, with a method perhaps. */
  private static final Pattern CLASS =
      Pattern.compile("`(?:runtime/…/)?((?:[a-z]+/)+[A-Z]\\w*[a-z]\\w*)(?:\\.[a-z]\\w*)*`");

  static List<Path> documents() throws IOException {
    return files(".md");
  }

  private static List<Path> files(String end) throws IOException {
    try (Stream<Path> all = Files.walk(ROOT)) {
      return all.filter(file -> file.toString().endsWith(end))
          .filter(file -> !ROOT.relativize(file).toString().matches("(.*/)?(target|\\.git)/.*"))
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("documents")
  void linksLeadSomewhere(Path document) {
    for (String target : found(LINK, document)) {
      if (!target.contains("://")) {
        assertTrue(Files.exists(document.resolveSibling(target)), document + " links to " + target);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("documents")
  void classesAreInThePackagesThatAreNamed(Path document) throws IOException {
    Set<String> sources = new TreeSet<>();
    files(".java").forEach(file -> sources.add(file.toString().replace(".java", "")));
    for (String name : found(CLASS, document)) {
      assertTrue(
          sources.stream().anyMatch(source -> source.endsWith("/" + name)),
          document + " names " + name);
    }
  }

  @Test
  void theReadmeIsShort() throws IOException {
    assertTrue(Files.size(ROOT.resolve("README.md")) <= 8192);
  }

  @Test
  void theExpressionsSeeWhatIsWrong() {
    assertEquals(
        List.of("engine/Scheduler"),
        CLASS.matcher("`engine/Scheduler.next`").results().map(r -> r.group(1)).toList());
    assertFalse(found(LINK, ROOT.resolve("README.md")).isEmpty());
    assertFalse(found(CLASS, ROOT.resolve("seeds/README.md")).isEmpty());
  }

  private static Set<String> found(Pattern pattern, Path document) {
    try {
      return pattern
          .matcher(Files.readString(document))
          .results()
          .map((MatchResult result) -> result.group(1))
          .collect(Collectors.toCollection(TreeSet::new));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
