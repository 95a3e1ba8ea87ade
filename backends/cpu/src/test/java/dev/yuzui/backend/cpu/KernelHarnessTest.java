package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.Required;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The program of native-kernels/cpu/test: every function of yuzui_cpu.h against sums in double
 * precision, on memory between pages that fault, on every instruction set of the processor it runs
 * on.
 */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the program maps memory as POSIX does")
class KernelHarnessTest {
  private static final int NO_COMPILER = 3;
  private static final Path ROOT =
      Path.of(System.getProperty("yuzui.root", "../..")).toAbsolutePath();

  private record Run(int status, String output) {}

  private static Run run(String folder, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(ROOT.resolve("native-kernels/cpu/test/run").toString());
    command.add(ROOT.resolve("backends/cpu/target/kernels/" + folder).toString());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    if (status == NO_COMPILER) {
      Required.missing("cpu", output.strip());
    }
    return new Run(status, output);
  }

  @Test
  void kernelsAsBuiltAgreeWithDoublePrecision() throws Exception {
    URL library =
        KernelHarnessTest.class.getResource(
            CpuProvider.platform() + "/" + System.mapLibraryName("yuzui_cpu"));
    if (library == null) {
      Required.missing("cpu", "no native kernels");
    }
    String path = Path.of(library.toURI()).toString();
    Run run = run("plain", Map.of("SANITIZE", "", "LIBRARY", path));
    assertEquals(0, run.status, run.output);
    assertTrue(run.output.contains(", which is chosen here: as it should be"), run.output);
  }

  /** Their build takes minutes of a processor. */
  @Tag("ci")
  @Test
  void addressSanitizerAndUbsanFindNothing() throws Exception {
    Run run = run("sanitized", Map.of("CFLAGS", "-DYUZUI_VNNI_OF_AVX512"));
    assertEquals(0, run.status, run.output);
  }

  /** On a machine that is emulated, as old as {@code processor} is. */
  @Tag("ci")
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({"max, neon-i8mm-bf16", "neoverse-n1, neon-dotprod", "cortex-a53, scalar"})
  void armsKernelsAgreeWithDoublePrecision(String processor, String chosen) throws Exception {
    Map<String, String> environment =
        Map.of(
            "SANITIZE",
            "",
            "CC",
            "aarch64-linux-gnu-gcc",
            "EMULATOR",
            "qemu-aarch64 -cpu " + processor + " -L /usr/aarch64-linux-gnu");
    Run run = run("aarch64", environment, "1");
    assertEquals(0, run.status, run.output);
    assertTrue(run.output.contains(chosen + ", which is chosen here"), run.output);
  }

  @BeforeAll
  static void isThere() {
    assertTrue(ROOT.resolve("native-kernels/cpu/test/run").toFile().canExecute());
  }
}
