package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.Required;
import dev.yuzui.server.RunningServer.Reply;
import dev.yuzui.server.RunningServer.Setup;
import dev.yuzui.server.http.HttpOptions;
import dev.yuzui.spi.RecordCopy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page to chat in: that it is there, and what a person can do with it ({@code page.mjs}). */
class PageTest {
  private static final Path SOURCES =
      Path.of(
          System.getProperty("yuzui.root"), "cli/server/src/main/resources/dev/yuzui/server/page");

  private static final Pattern NAMED =
      Pattern.compile("(?:src|href)=\"(/page/[^\"]+)\"|from \"\\./([^\"]+)\"");

  private static final String KEY = "the-key-of-a-test";

  private static RunningServer server;

  @BeforeAll
  static void open() {
    server = RunningServer.open();
  }

  @AfterAll
  static void close() {
    server.close();
  }

  /** What a file of the page names. */
  private static List<String> named(String text) {
    return NAMED
        .matcher(text)
        .results()
        .map(m -> Optional.ofNullable(m.group(1)).orElse("/page/" + m.group(2)))
        .toList();
  }

  @Test
  void whatItNamesIsServedAndWhatIsServedIsNamed() throws IOException {
    var open = new ArrayList<>(List.of("/"));
    var seen = new TreeSet<String>();
    while (!open.isEmpty()) {
      String path = open.removeLast();
      if (!seen.add(path)) {
        continue;
      }
      Reply reply = server.get(path);
      assertEquals(200, reply.status(), path);
      String type =
          path.endsWith(".js")
              ? "text/javascript"
              : path.endsWith(".css") ? "text/css" : "text/html";
      assertTrue(reply.header("Content-Type").startsWith(type), path + reply.headers());
      assertTrue(reply.header("Content-Security-Policy").startsWith("default-src 'none'"), path);
      open.addAll(named(reply.body()));
    }
    try (Stream<Path> files = Files.list(SOURCES)) {
      var ours =
          files
              .map(file -> file.getFileName().toString())
              .map(name -> name.equals("index.html") ? "/" : "/page/" + name)
              .collect(Collectors.toCollection(TreeSet::new));
      ours.add("/page/marked.js");
      ours.add("/page/purify.js");
      assertEquals(ours, seen);
    }
  }

  @Test
  void nothingOfItIsInlineOrFromElsewhere() throws IOException {
    String page = Files.readString(SOURCES.resolve("index.html"));
    assertFalse(Pattern.compile("<style|style=|\\son[a-z]+=|<script>").matcher(page).find());
    try (Stream<Path> files = Files.list(SOURCES)) {
      for (Path file : files.toList()) {
        assertFalse(Files.readString(file).matches("(?s).*https?://.*"), file::toString);
      }
    }
  }

  @Test
  void aPersonCanUseIt(@TempDir Path folder) throws IOException {
    Path marked = Files.writeString(folder.resolve("m.js"), server.get("/page/marked.js").body());
    Path purify = Files.writeString(folder.resolve("p.js"), server.get("/page/purify.js").body());
    Node.Run run =
        page(
            "--page",
            SOURCES.toString(),
            "--marked",
            marked.toString(),
            "--purify",
            purify.toString());
    assertEquals(0, run.status(), run::toString);
    assertTrue(run.output().lines().filter(line -> line.startsWith("ok - ")).count() >= 38);
  }

  @Test
  void itWorksWithThisServer() {
    try (RunningServer guarded = RunningServer.open(Setup.USUAL.with(PageTest::withKey))) {
      Node.Run run = page("--server", guarded.uri("/").toString(), "--key", KEY);
      assertEquals(0, run.status(), run::toString);
      assertTrue(run.output().startsWith("ok - "), run::toString);
    }
  }

  private static HttpOptions withKey(HttpOptions http) {
    return RecordCopy.with(http, "keys", List.of(KEY));
  }

  private static Node.Run page(String... arguments) {
    Path chromium =
        Node.program("chromium", "chromium-browser", "google-chrome").orElse(Path.of(""));
    if (chromium.toString().isEmpty()) {
      Required.missing("chromium", "no chromium on the PATH (Debian: apt install chromium)");
    }
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--chromium", chromium.toString()));
    return Node.run("page.mjs", all);
  }
}
