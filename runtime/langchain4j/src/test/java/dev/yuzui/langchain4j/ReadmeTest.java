package dev.yuzui.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The program in the README runs as it is written there. */
class ReadmeTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  @Test
  void theProgramReadsABeast(@TempDir Path folder) throws Exception {
    String readme = Files.readString(ROOT.resolve("runtime/langchain4j/README.md"));
    Matcher block = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL).matcher(readme);
    assertTrue(block.find(), "the README has no Java program");
    Path source = Files.writeString(folder.resolve("Zoo.java"), block.group(1));
    ByteArrayOutputStream complaints = new ByteArrayOutputStream();
    int compiled =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                complaints,
                "-parameters",
                "-cp",
                System.getProperty("java.class.path"),
                source.toString());
    assertEquals(0, compiled, complaints::toString);
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream out = System.out;
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
      loader
          .loadClass("Zoo")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {Demo.MODEL.toString()});
    } finally {
      System.setOut(out);
    }
    String text = said.toString(StandardCharsets.UTF_8);
    assertTrue(text.matches("Beast\\[kind=(WOLF|FOX|GOAT), tame=(true|false)]\\n"), text);
  }
}
