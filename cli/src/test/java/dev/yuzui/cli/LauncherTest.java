package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Version;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The script {@code yuzui}, in a home where all is built, with this test's class path; {@link
 * LauncherArchiveTest} has it in a release.
 */
class LauncherTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  @TempDir private Path folder;
  private Path home;
  private Path temporary;
  private Path cache;

  @BeforeEach
  void makeAHome() throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "no /bin/sh");
    home = folder.resolve("a home");
    temporary = Files.createDirectories(folder.resolve("tmp"));
    cache = folder.resolve("cache");
    Path target = Files.createDirectories(home.resolve("cli/target"));
    Path scripts = Files.createDirectories(home.resolve("scripts/lib"));
    Files.copy(ROOT.resolve("scripts/lib/jdk.sh"), scripts.resolve("jdk.sh"));
    Files.copy(ROOT.resolve("yuzui"), home.resolve("yuzui"));
    for (String flags : List.of("jvm.flags", "vector.flags")) {
      Files.copy(ROOT.resolve("cli/target").resolve(flags), target.resolve(flags));
    }
    Manifest manifest = new Manifest();
    Attributes main = manifest.getMainAttributes();
    main.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    main.put(Attributes.Name.MAIN_CLASS, Main.class.getName());
    main.put(
        Attributes.Name.CLASS_PATH,
        Stream.of(System.getProperty("java.class.path").split(":"))
            .map(entry -> Path.of(entry).toUri().toString())
            .collect(Collectors.joining(" ")));
    try (OutputStream jar = Files.newOutputStream(target.resolve("yuzui.jar"))) {
      new JarOutputStream(jar, manifest).close();
    }
    Files.createFile(target.resolve("launcher.stamp"));
  }

  @Test
  void aGoodStartSaysNothingMoreAndLeavesNothingBehind() throws Exception {
    CommandRun run = sh("\"$Y\" --version");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("yuzui " + Version.number(), run.lines().getFirst());
    assertEquals("", run.err());
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
    assertEquals("rwx------", mode(cache));
    assertEquals("rwx------", mode(cache.resolve("yuzui")));
  }

  @ParameterizedTest(name = "{0}={1}")
  @CsvSource({
    "JDK_JAVA_OPTIONS, -Xmx4gg, Invalid maximum heap size: -Xmx4gg",
    "JAVA_TOOL_OPTIONS, -XX:Frobnicate=1, Unrecognized VM option 'Frobnicate=1'",
    "JDK_JAVA_OPTIONS, -javaagent:nope.jar, Error opening zip file or JAR manifest missing :"
        + " nope.jar"
  })
  void whatTheJvmSaysBeforeMainBeginsIsShown(String variable, String options, String said)
      throws Exception {
    CommandRun run = sh("\"$Y\" --version", Map.of(variable, options));
    assertAll(
        () -> assertEquals(ExitCode.FAILED, run.exitCode()),
        () -> assertTrue(run.err().contains(said), run.err()),
        () -> assertEquals("", run.out()));
  }

  @ParameterizedTest(name = "{0}={1}")
  @CsvSource({
    "NOTHING, , 2147483648, UseSerialGC",
    "JDK_JAVA_OPTIONS, -Xmx300m, 314572800, UseSerialGC",
    "JAVA_TOOL_OPTIONS, -Xmx300m, 314572800, UseSerialGC",
    "JDK_JAVA_OPTIONS, -XX:MaxRAM=1g -XX:MaxRAMPercentage=50, 536870912, UseSerialGC",
    "JDK_JAVA_OPTIONS, @our options, 314572800, UseSerialGC",
    "JDK_JAVA_OPTIONS, -XX:+UseParallelGC, 2147483648, UseParallelGC",
  })
  void theUsersOwnOptionsWin(String variable, String options, String heap, String collector)
      throws Exception {
    Path file = Files.writeString(temporary.resolve("options"), "-Xmx300m");
    String given = String.valueOf(options).replace("@our options", "@" + file);
    CommandRun run =
        sh(
            "\"$Y\" --version",
            variable.equals("NOTHING")
                ? Map.of("JDK_JAVA_OPTIONS", "-XX:+PrintFlagsFinal")
                : Map.of(variable, given + " -XX:+PrintFlagsFinal"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.err().lines().anyMatch(l -> l.matches(".* MaxHeapSize += " + heap + " .*")));
    assertTrue(run.err().lines().anyMatch(l -> l.matches(".* " + collector + " += true .*")));
  }

  @Test
  void whoSwitchesHugePagesOffHasNone() throws Exception {
    Map<String, String> off =
        Map.of("JDK_JAVA_OPTIONS", "-XX:-UseTransparentHugePages -XX:+PrintFlagsFinal");
    CommandRun run = sh("\"$Y\" --version", off);
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(
        run.err().lines().anyMatch(l -> l.matches(".* UseTransparentHugePages += false .*")),
        run.err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"$Y\" --help > /dev/full", "\"$Y\" --help >&-"})
  void anOutputThatCannotBeWrittenIsOneLine(String command) throws Exception {
    assumeTrue(Files.exists(Path.of("/dev/full")), "no /dev/full");
    CommandRun run = sh(command);
    assertEquals(ExitCode.FAILED, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().startsWith("yuzui: standard output cannot be written: "), run.err());
  }

  @Test
  void aClosedInputIsAnEmptyOne() throws Exception {
    CommandRun run = sh("\"$Y\" chat -m \"$MODEL\" -n 1 <&-");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("", run.out());
  }

  @Test
  void aCrashIsToldOnStderrAndItsReportLiesInTheCacheFolder() throws Exception {
    String err;
    Process process = start("exec \"$Y\" chat -m \"$MODEL\" -n 1 --temp 0", Map.of());
    try (OutputStream in = process.getOutputStream()) {
      in.write("Hello\n".getBytes(StandardCharsets.UTF_8));
      in.flush();
      for (int i = 0; process.isAlive() && Files.size(folder.resolve("out")) == 0; i++) {
        assertTrue(i < 6000, "it answers");
        Thread.sleep(10);
      }
      // the launcher has become the JVM
      new ProcessBuilder("kill", "-SEGV", Long.toString(process.pid())).start().waitFor();
      err = Processes.untilTheEnd(process, process.getErrorStream());
    } finally {
      process.destroyForcibly();
    }
    assertEquals(128 + 6, process.exitValue());
    String out = Files.readString(folder.resolve("out"));
    assertEquals(1, out.lines().count(), out);
    assertFalse(out.contains("#"), out);
    Path report = cache.resolve("yuzui").resolve("hs_err_pid" + process.pid() + ".log");
    assertEquals(
        "yuzui: the JVM crashed, and left its report in " + report,
        err.lines().reduce((_, last) -> last).orElse(""));
    assertTrue(Files.readString(report).contains("SIGSEGV"));
  }

  @Test
  void chatBeginsOnATerminalWhereNothingCanBeKept() throws Exception {
    assumeTrue(sh("command -v script").exitCode() == 0, "no script(1), which has a terminal");
    Files.createFile(cache);
    CommandRun run =
        sh(
            "printf '/exit\\r' | script -qec 'timeout --foreground -k 9 60 \"$Y\" chat -m \"$MODEL\" -n 1' /dev/null");
    assertEquals(ExitCode.DONE, run.exitCode(), run.out());
    assertTrue(run.out().contains("chat-history cannot be written"), run.out());
    assertTrue(run.out().contains("/help lists commands"), run.out());
  }

  @Test
  void anEndOfInputBeforeThePromptIsOneToo() throws Exception {
    assumeTrue(sh("command -v script").exitCode() == 0, "no script(1), which has a terminal");
    CommandRun run =
        sh(
            "script -qec 'timeout --foreground -k 9 60 \"$Y\" chat -m \"$MODEL\" -n 1' /dev/null < /dev/null");
    assertEquals(ExitCode.DONE, run.exitCode(), run.out());
    assertTrue(run.out().contains("/help lists commands"), run.out());
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private CommandRun sh(String command) throws Exception {
    return sh(command, Map.of());
  }

  private CommandRun sh(String command, Map<String, String> variables) throws Exception {
    Process process = start(command, variables);
    process.getOutputStream().close();
    String said = Processes.untilTheEnd(process, process.getErrorStream());
    return new CommandRun(process.exitValue(), Files.readString(folder.resolve("out")), said);
  }

  private Process start(String command, Map<String, String> variables) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder("/bin/sh", "-c", command)
            .directory(folder.toFile())
            .redirectOutput(folder.resolve("out").toFile());
    Map<String, String> environment = builder.environment();
    List.of("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS").forEach(environment::remove);
    environment.put("JAVA_HOME", System.getProperty("java.home"));
    environment.put("Y", home.resolve("yuzui").toString());
    environment.put("MODEL", CommandRun.GGUF);
    environment.put("TMPDIR", temporary.toString());
    environment.put("XDG_CACHE_HOME", cache.toString());
    environment.putAll(variables);
    return builder.start();
  }
}
