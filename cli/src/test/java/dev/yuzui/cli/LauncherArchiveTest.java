package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The archive of a run that the script {@code yuzui} has made in a release, with a program for the
 * JVM that says which archive it was given.
 */
class LauncherArchiveTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  private static final String JAVA =
      """
      #!/bin/sh
      archive=none
      for word; do
        case $word in
          -XX:SharedArchiveFile=* | -XX:AOTCache=* | -XX:AOTCacheOutput=*) archive=${word#*=} ;;
          -XX:-AOTReplayTraining) without=$without' without methods' ;;
          @*/vector.flags) with=$with' with vectors' ;;
        esac
      done
      case $* in
        *-XX:AOTCacheOutput=*)
          echo dump >> "$DUMPS"
          sleep 0.3
          echo "cpu: $KERNELS kernels" >&2
          [ -n "$FAILS" ] || echo classes > "$archive"
          ;;
        *-XX:DumpLoadedClassList*) ;;
        *-Xshare:dump*) [ -n "$FAILS" ] || echo classes > "$archive" ;;
        *) echo "archive: $archive$without$with" >&3 ;; # where Main puts stderr
      esac
      """;

  private static final String NONE = "archive: none with vectors\n";

  @TempDir private Path folder;
  private Path jar;
  private Path cache;

  @BeforeEach
  void makeARelease() throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "no /bin/sh");
    Path bin = Files.createDirectories(folder.resolve("a release/bin"));
    Path app = Files.createDirectories(folder.resolve("a release/lib/app"));
    Path runtime = Files.createDirectories(folder.resolve("a release/lib/runtime"));
    Files.copy(ROOT.resolve("yuzui"), bin.resolve("yuzui"));
    Files.writeString(app.resolve("jvm.flags"), "");
    jar = Files.writeString(app.resolve("yuzui.jar"), "a jar");
    Files.writeString(runtime.resolve("release"), "JAVA_VERSION=\"25\"");
    Path java = Files.createDirectories(runtime.resolve("bin")).resolve("java");
    Files.writeString(java, JAVA);
    assertTrue(java.toFile().setExecutable(true));
    cache = folder.resolve("cache/yuzui");
  }

  @Test
  void theFirstStartHasItMadeAndTheNextOnesUseIt() throws Exception {
    assertEquals(NONE, start("\"$Y\"").err());
    Path made = made(1).getFirst();
    assertEquals("archive: " + made + "\n", start("\"$Y\"").err());
    assertEquals("archive: " + made + "\n", start("\"$Y\"").err());
    assertEquals(1, dumps());
  }

  @Test
  void anotherJarsIsNotUsedAndWhatIsAMonthOldGoes() throws Exception {
    start("\"$Y\"");
    Path old = made(1).getFirst();
    Files.setLastModifiedTime(old, FileTime.from(Instant.now().minus(Duration.ofDays(40))));
    Files.writeString(jar, "a newer jar");
    assertEquals(NONE, start("\"$Y\"").err());
    await(() -> dumps() == 2 && Files.notExists(old) && archives().size() == 1);
    assertNotEquals(old, archives().getFirst());
    assertEquals("archive: " + archives().getFirst() + "\n", start("\"$Y\"").err());
  }

  @Test
  void twoStartsAtOnceHaveOneMade() throws Exception {
    assertEquals(NONE.repeat(2), start("\"$Y\" & \"$Y\" & wait").err());
    made(1);
    assertEquals(1, dumps());
  }

  @Test
  void whatCannotBeMadeIsNotTriedAtEveryStart() throws Exception {
    Map<String, String> fails = Map.of("FAILS", "yes");
    assertEquals(NONE, start("\"$Y\"", fails).err());
    await(() -> dumps() == 1);
    assertEquals(NONE, start("\"$Y\"", fails).err());
    Thread.sleep(500);
    assertEquals(1, dumps());
    try (Stream<Path> files = Files.list(cache)) {
      Path left = files.findFirst().orElseThrow();
      Files.setLastModifiedTime(left, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
    }
    assertEquals(NONE, start("\"$Y\"").err());
    made(1);
  }

  @Test
  void whereNothingCanBeKeptNoneIsMade() throws Exception {
    Files.createFile(folder.resolve("cache"));
    assertEquals(NONE, start("\"$Y\"").err());
    Thread.sleep(500);
    assertEquals(0, dumps());
  }

  @Test
  void theUsersOwnOptionSwitchesItOff() throws Exception {
    Map<String, String> off = Map.of("JDK_JAVA_OPTIONS", "-Xshare:off");
    assertEquals(NONE, start("\"$Y\"", off).err());
    start("\"$Y\"");
    made(1);
    assertEquals(NONE, start("\"$Y\"", off).err());
    assertEquals(1, dumps());
  }

  @Test
  void withoutCKernelsItIsOfClassesAloneBesideTheVectorApi() throws Exception {
    Map<String, String> without = Map.of("KERNELS", "512-bit vector");
    start("\"$Y\"", without);
    Path made = made(1).getFirst();
    assertTrue(made.toString().endsWith(".jsa"), made::toString);
    assertEquals("archive: " + made + " with vectors\n", start("\"$Y\"", without).err());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bench --device cpu:java",
        "chat --device=CPU:Java:1",
        "generate --no-repack -p x",
        "generate -nr"
      })
  void whoAsksForJavasKernelsGetsTheVectorApi(String asked) throws Exception {
    start("\"$Y\"");
    made(1);
    assertEquals(NONE, start("\"$Y\" " + asked).err());
  }

  @Test
  void whatRunsForLongIsCompiledAsItGoes() throws Exception {
    start("\"$Y\"");
    Path made = made(1).getFirst();
    assertTrue(made.toString().endsWith(".aot"), made::toString);
    assertEquals("archive: " + made + "\n", start("\"$Y\" generate -p serve").err());
    assertEquals("archive: " + made + " without methods\n", start("\"$Y\" serve").err());
  }

  private interface Condition {
    boolean holds() throws IOException;
  }

  private static void await(Condition condition) throws Exception {
    for (int i = 0; !condition.holds(); i++) {
      assertTrue(i < 3000, "it comes");
      Thread.sleep(10);
    }
  }

  private List<Path> made(int count) throws Exception {
    await(() -> archives().size() == count);
    return archives();
  }

  private List<Path> archives() throws IOException {
    try (Stream<Path> files = Files.list(cache)) {
      return files.filter(file -> file.toString().matches(".*\\.(aot|jsa)")).toList();
    }
  }

  private int dumps() throws IOException {
    Path log = folder.resolve("dumps");
    return Files.exists(log) ? Files.readAllLines(log).size() : 0;
  }

  private CommandRun start(String command) throws Exception {
    return start(command, Map.of());
  }

  private CommandRun start(String command, Map<String, String> variables) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder("/bin/sh", "-c", command)
            .directory(folder.toFile())
            .redirectOutput(folder.resolve("out").toFile());
    Map<String, String> environment = builder.environment();
    List.of("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS").forEach(environment::remove);
    environment.put("Y", folder.resolve("a release/bin/yuzui").toString());
    environment.put("DUMPS", folder.resolve("dumps").toString());
    environment.put("FAILS", "");
    environment.put("KERNELS", "native best");
    environment.put("TMPDIR", folder.toString());
    environment.put("XDG_CACHE_HOME", folder.resolve("cache").toString());
    environment.putAll(variables);
    Process process = builder.start();
    process.getOutputStream().close();
    String said = Processes.untilTheEnd(process, process.getErrorStream());
    assertEquals(0, process.exitValue(), said);
    String out = Files.readString(folder.resolve("out"));
    assertEquals("", out);
    return new CommandRun(process.exitValue(), out, said);
  }
}
