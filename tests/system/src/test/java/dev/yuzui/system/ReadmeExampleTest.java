package dev.yuzui.system;

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

/** The program in runtime/README.md compiles and does what is said. */
class ReadmeExampleTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  @Test
  void theProgramInTheReadmeTellsTales(@TempDir Path folder) throws Exception {
    String readme = Files.readString(ROOT.resolve("runtime/README.md"));
    Matcher block = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL).matcher(readme);
    assertTrue(block.find(), "runtime/README.md has no Java program");
    String program = block.group(1);
    assertTrue(program.lines().count() <= 20, "it is short");
    Path source = Files.writeString(folder.resolve("Tales.java"), program);
    ByteArrayOutputStream complaints = new ByteArrayOutputStream();
    int compiled =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                complaints,
                "-cp",
                System.getProperty("java.class.path"),
                source.toString());
    assertEquals(0, compiled, complaints::toString);

    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream out = System.out;
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
      loader
          .loadClass("Tales")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {ROOT.resolve("seeds/demo.gguf").toString()});
    } finally {
      System.setOut(out);
    }
    String text = said.toString(StandardCharsets.UTF_8);
    assertTrue(text.length() > 5 * 40, text);
    String first = text.substring(0, 40);
    assertTrue(
        text.indexOf(first, first.length()) > 0,
        "the first of the four has the same seed: " + text);
  }
}
