package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.BackendOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A program that forgets the flag of the Vector API hears of it where it matters, whatever it logs.
 */
class VectorModuleTest {
  @Test
  void whoNeedsItIsToldOnce(@TempDir Path folder) throws Exception {
    assertEquals(1, told(folder, "java"));
  }

  @Test
  void withNativeKernelsNobodyDoes(@TempDir Path folder) throws Exception {
    assumeTrue(NativeKernels.find(_ -> {}).isPresent(), "no native kernels");
    assertEquals(0, told(folder, "native"));
  }

  private static long told(Path folder, String kernels) throws Exception {
    Path said = folder.resolve("said");
    Process program =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx128m",
                "-cp",
                System.getProperty("java.class.path"),
                Program.class.getName(),
                kernels)
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    try {
      assertTrue(program.waitFor(2, TimeUnit.MINUTES), "it ended");
    } finally {
      program.destroyForcibly();
    }
    String text = Files.readString(said);
    assertEquals(0, program.exitValue(), text);
    return text.lines().filter(l -> l.contains("add --add-modules=jdk.incubator.vector")).count();
  }

  static final class Program {
    private Program() {}

    public static void main(String[] args) {
      BackendOptions options = BackendOptions.defaults().withRepack(args[0].equals("native"));
      new CpuProvider().open(options).close();
    }
  }
}
