package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files of {@code examples/}, with the dependencies that they name. */
class ExamplesTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

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
