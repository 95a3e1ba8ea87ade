package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** scripts/lib/jdk.sh, which the launcher and scripts/test share. */
class FindJdkTest {
  private static final Path SCRIPT =
      Path.of(System.getProperty("yuzui.root"), "scripts/lib/jdk.sh");

  @TempDir private Path folder;

  @Test
  void aSuitableJavaHomeWins() throws Exception {
    Path home = jdk("a jdk with spaces", "99.0.1");
    assertEquals(home.toString(), found(home));
  }

  @Test
  void anOldJavaHomeIsPassedOver() throws Exception {
    Path old = jdk("old", "17.0.9");
    assumeTrue(run(old).exitCode() == 0, "no other JDK in the system's folders");
    String other = found(old);
    assertTrue(
        !other.equals(old.toString()) && Files.isExecutable(Path.of(other, "bin/javac")), other);
  }

  @Test
  void aRuntimeWithoutCompilerIsNoJdk() throws Exception {
    Path jre = jdk("jre", "98");
    Files.delete(jre.resolve("bin/javac"));
    assertTrue(!run(jre).out().contains(jre.toString()));
  }

  private String found(Path javaHome) throws Exception {
    CommandRun run = run(javaHome);
    assertEquals(0, run.exitCode(), run.out());
    return run.out().strip();
  }

  private static CommandRun run(Path javaHome) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
                "sh", "-euc", ". \"$1\"; find_jdk; echo \"$JAVA_HOME\"", "sh", SCRIPT.toString())
            .redirectErrorStream(true);
    builder.environment().put("JAVA_HOME", javaHome.toString());
    Process process = builder.start();
    String out = Processes.untilTheEnd(process, process.getInputStream());
    return new CommandRun(process.exitValue(), out, "");
  }

  private Path jdk(String name, String version) throws IOException {
    Path home = folder.resolve(name);
    Files.createDirectories(home.resolve("bin"));
    for (String tool : new String[] {"java", "javac"}) {
      Path file = Files.writeString(home.resolve("bin").resolve(tool), "#!/bin/sh\n");
      assertTrue(file.toFile().setExecutable(true));
    }
    Files.writeString(
        home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
    return home;
  }
}
