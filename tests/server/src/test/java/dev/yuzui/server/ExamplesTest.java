package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The files of {@code examples/}, with the dependencies that they name. Which of this project's
 * they name is held to its version by {@code DocumentsTest}.
 */
class ExamplesTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  /** A line that JBang reads: group, artifact, version. */
  private static final Pattern DEPS =
      Pattern.compile("^//DEPS ([^:\\s]+):([^:\\s]+):([^:\\s]+)", Pattern.MULTILINE);

  @TempDir private Path folder;

  /** What it prints; it is compiled as it stands. */
  private String run(String name, String... arguments) throws Exception {
    String classes = System.getProperty("java.class.path");
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    int status =
        compiler.run(
            null,
            null,
            null,
            "-proc:none",
            "-cp",
            classes,
            "-d",
            folder.toString(),
            ROOT.resolve("examples/" + name + ".java").toString());
    assertEquals(0, status, name + " does not compile");
    List<String> line = new ArrayList<>();
    line.add(ProcessHandle.current().info().command().orElseThrow());
    line.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    line.addAll(List.of("-cp", folder + File.pathSeparator + classes, name));
    line.addAll(List.of(arguments));
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    Process process =
        new ProcessBuilder(line).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    assertTrue(process.waitFor(120, TimeUnit.SECONDS), () -> name + " does not end");
    assertEquals(0, process.exitValue(), read(err));
    return Files.readString(out);
  }

  private static String read(Path file) throws IOException {
    return Files.readString(file);
  }

  @Test
  void theDependenciesThatTheyNameAreThoseThatTheyRunWith() throws IOException {
    List<String> jars =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .map(entry -> Path.of(entry).getFileName().toString())
            .toList();
    List<String> others = new ArrayList<>();
    for (String name : List.of("AskServer", "SpringAi", "LangChain")) {
      Matcher named = DEPS.matcher(read(ROOT.resolve("examples/" + name + ".java")));
      while (named.find()) {
        if (!named.group(1).equals("dev.yuzui")) {
          others.add(named.group(2) + "-" + named.group(3) + ".jar");
        }
      }
    }
    assertTrue(others.size() >= 3, others::toString);
    others.forEach(jar -> assertTrue(jars.contains(jar), jar + " is not on the class path"));
  }

  @Test
  void openAisClientAsksAServer() throws Exception {
    try (RunningServer server = RunningServer.open()) {
      String url = "http://127.0.0.1:" + server.port();
      assertTrue(run("AskServer", url, "Once upon a time").length() > 20);
    }
  }

  @Test
  void springAiAsksAServer() throws Exception {
    try (RunningServer server = RunningServer.open()) {
      String url = "http://127.0.0.1:" + server.port();
      assertTrue(run("SpringAi", url, "Once upon a time").length() > 20);
    }
  }

  @Test
  void langChain4jAsksAModelOfItsProcess() throws Exception {
    String model = ROOT.resolve("seeds/demo.gguf").toString();
    assertTrue(run("LangChain", model, "Once upon a time").length() > 20);
  }
}
