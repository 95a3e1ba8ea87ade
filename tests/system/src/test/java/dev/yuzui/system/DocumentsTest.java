package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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

  /** This project's version in what a reader copies: of a dependency, of a jar, of JBang's line. */
  private static final Pattern VERSION =
      Pattern.compile(
          "<groupId>dev\\.yuzui</groupId><artifactId>[^<]+</artifactId><version>([^<]+)<"
              + "|\\byuzui-[a-z0-9]+-(\\d[\\w.]*?)(?:-all)?\\.jar"
              + "|^//DEPS dev\\.yuzui:[^:\\s]+:([^:\\s]+)",
          Pattern.MULTILINE);

  private static final Pattern JACKSON =
      Pattern.compile("<artifactId>jackson-bom</artifactId><version>([^<$]+)<");

  static List<Path> documents() throws IOException {
    return files(".*\\.md");
  }

  /** Whose path from the root on is as one of the expressions says. */
  private static List<Path> files(String... expressions) throws IOException {
    try (Stream<Path> all = Files.walk(ROOT)) {
      return all.filter(
              file -> Stream.of(expressions).anyMatch(ROOT.relativize(file).toString()::matches))
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
    files(".*\\.java").forEach(file -> sources.add(file.toString().replace(".java", "")));
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
  void versionsAreThoseOfTheBuild() throws IOException {
    String pom = Files.readString(ROOT.resolve("pom.xml"));
    String version = first("<artifactId>yuzui</artifactId>\\s*<version>([^<]+)<", pom);
    String jackson = first("<jackson.version>([^<]+)<", pom);
    int seen = 0;
    for (Path file : files(".*\\.md", "examples/[^/]+\\.java")) {
      if (file.startsWith(ROOT.resolve("tests/results"))) {
        continue; // of what was measured then
      }
      Set<String> named = found(VERSION, file);
      seen += named.size();
      assertTrue(Set.of(version).containsAll(named), file + " names " + named + ", not " + version);
      Set<String> jacksons = found(JACKSON, file);
      assertTrue(Set.of(jackson).containsAll(jacksons), file + " names Jackson " + jacksons);
    }
    assertTrue(seen >= 6, "only " + seen + " files have the version in them");
  }

  private static String first(String pattern, String text) {
    return Pattern.compile(pattern)
        .matcher(text)
        .results()
        .map(result -> result.group(1))
        .findFirst()
        .orElseThrow();
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
          .map(DocumentsTest::firstGroup)
          .collect(Collectors.toCollection(TreeSet::new));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String firstGroup(MatchResult result) {
    return IntStream.rangeClosed(1, result.groupCount())
        .mapToObj(result::group)
        .filter(Objects::nonNull)
        .findFirst()
        .orElseThrow();
  }
}
