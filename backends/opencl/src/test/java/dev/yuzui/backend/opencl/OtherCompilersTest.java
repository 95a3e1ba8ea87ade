package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What GPUs' compilers make of the kernels, without such a GPU: clang's code for AMD's, whose
 * driver has that compiler, and SPIR-V, which Intel's and Mesa's drivers make of OpenCL C first.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OtherCompilersTest {
  private static final String PROBE =
      "__kernel void probe(__global float *x) { x[0] = exp(x[get_global_id(0)]); }";

  /** Built-ins for AMD's GPUs; a call of one would hide what spills. Debian's libclc. */
  private static final String BUILT_INS = "/usr/lib/clc/amdgcn--amdhsa.bc";

  /**
   * What follows the names of clang and llvm-spirv: they and libclc must be of one version, and a
   * machine may have several, of which Debian's Mesa chooses libclc's.
   */
  private static final List<String> VERSIONS =
      Stream.concat(Stream.of(""), IntStream.rangeClosed(14, 21).mapToObj(v -> "-" + v)).toList();

  @TempDir static Path folder;

  private Compiler amd;
  private Compiler spirV;

  /**
   * What follows its name, and what it made of {@link #PROBE}: the first version that compiles it,
   * else the first that is there.
   */
  private record Compiler(String version, Run probe) {
    private static Compiler first(Function<String, Run> probe) {
      Compiler found = new Compiler("", new Run(NOT_THERE, "not there"));
      for (String version : VERSIONS) {
        Compiler tried = new Compiler(version, probe.apply(version));
        if (tried.probe.status() == 0) {
          return tried;
        }
        if (found.probe.status() == NOT_THERE) {
          found = tried;
        }
      }
      return found;
    }
  }

  @BeforeAll
  void tryCompilers() throws IOException {
    Files.writeString(folder.resolve("probe.cl"), PROBE);
    amd = Compiler.first(version -> run(amd(version, "probe.cl", "gfx1030")));
    spirV = Compiler.first(version -> spirV(version, "probe.cl", List.of()));
  }

  private record Program(String stem, List<String> macros) {
    @Override
    public String toString() {
      return (stem + ".cl " + String.join(" ", macros)).strip();
    }
  }

  private static Stream<Program> of(Encoding encoding) {
    String weights = "WEIGHTS=" + Layout.suffix(encoding);
    List<Program> programs = new ArrayList<>();
    if (Encoding.all().contains(encoding)) {
      List.of("matvec", "gemm", "embed")
          .forEach(stem -> programs.add(new Program(stem, List.of(weights))));
    }
    if (Encoding.caches().contains(encoding)) {
      List.of("attention", "index", "expand")
          .forEach(stem -> programs.add(new Program(stem, List.of(weights))));
      List.of(8, 16, 32)
          .forEach(n -> programs.add(new Program("grouped", List.of(weights, "QUERIES=" + n))));
    }
    return programs.stream();
  }

  /** As a GPU without extensions has them, for what most files hold. */
  static Stream<Program> programs() {
    return Stream.concat(
        Stream.of("rows", "gate", "sampling", "prefill", "compressed", "streams")
            .map(stem -> new Program(stem, List.of())),
        Stream.of(Encoding.F16, new Encoding.Q8_0(), new Encoding.Q4_K())
            .flatMap(OtherCompilersTest::of));
  }

  static Stream<Program> otherEncodings() {
    List<Program> usual = programs().toList();
    return Stream.concat(Encoding.all().stream(), Encoding.caches().stream())
        .distinct()
        .flatMap(OtherCompilersTest::of)
        .filter(p -> !usual.contains(p));
  }

  // ---- AMD --------------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("programs")
  void nothingSpillsOnAmdsGpus(Program program) throws Exception {
    assertNothingSpills(program, "gfx900");
    assertNothingSpills(program, "gfx1030");
  }

  /** Three minutes of a processor. */
  @Tag("ci")
  @ParameterizedTest
  @MethodSource("otherEncodings")
  void nothingSpillsOnAmdsGpusInOtherEncodings(Program program) throws Exception {
    assertNothingSpills(program, "gfx900");
    assertNothingSpills(program, "gfx1030");
  }

  @Test
  void whatSpillsIsFound() throws Exception {
    assumeAmd();
    String spills =
        """
        __kernel void spills(__global float *x, int i) {
          float a[64];
          for (int j = 0; j < 64; j++) a[j * i & 63] = x[j];
          x[0] = a[i];
        }
        """;
    assertTrue(
        spilled(spills, "gfx1030").getFirst().matches("spills: 2[0-9]{2} bytes of scratch, 0.*"));
    assertEquals(List.of(), spilled(PROBE, "gfx1030"));
  }

  private void assertNothingSpills(Program program, String gpu) throws Exception {
    assumeAmd();
    String[] macros = program.macros().stream().map(m -> "-D" + m).toArray(String[]::new);
    assertEquals(
        List.of(),
        spilled(ProgramSource.of(program.stem()), gpu, macros),
        () -> program + " on " + gpu);
  }

  private void assumeAmd() {
    Assumptions.assumeTrue(
        amd.probe().status() == 0,
        () ->
            "no clang with a target for AMD's GPUs and libclc of its version (Debian 12: clang-15,"
                + " libclc-15): "
                + amd.probe().firstLine());
  }

  private static List<String> amd(String version, String source, String gpu, String... more) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "clang" + version, "-x", "cl", "-cl-std=CL1.2", "-target", "amdgcn-amd-amdhsa"));
    command.addAll(List.of("-mcpu=" + gpu, "-O3", "-w", "-nogpulib", "-S", "-o", "out.s"));
    command.addAll(List.of("-Xclang", "-finclude-default-header"));
    command.addAll(List.of("-Xclang", "-mlink-builtin-bitcode", "-Xclang", BUILT_INS));
    command.addAll(List.of(more));
    command.add(source);
    return command;
  }

  /** A line for each kernel with something of a work-item in memory. */
  private List<String> spilled(String source, String gpu, String... macros) throws Exception {
    Files.writeString(folder.resolve("kernels.cl"), source);
    Run run = run(amd(amd.version(), "kernels.cl", gpu, macros));
    assertEquals(0, run.status(), run.output());
    List<String> lines = Files.readAllLines(folder.resolve("out.s"));
    assertFalse(
        lines.stream().anyMatch(line -> line.contains("s_swappc")), "built-ins that are called");
    List<String> found = new ArrayList<>();
    String name = "";
    String scratch = "";
    int kernels = 0;
    for (String line : lines) { // the notes of a kernel, in the order of their names
      String[] field = line.strip().split(": +");
      switch (field[0]) {
        case ".name" -> name = field[1]; // a parameter's, then the kernel's
        case ".private_segment_fixed_size" -> scratch = field[1];
        case ".vgpr_spill_count" -> {
          kernels++;
          if (!scratch.equals("0") || !field[1].equals("0")) {
            found.add("%s: %s bytes of scratch, %s registers".formatted(name, scratch, field[1]));
          }
        }
        default -> {}
      }
    }
    assertTrue(kernels > 0, "no kernel is in what clang wrote");
    return found;
  }

  // ---- SPIR-V -----------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("programs")
  void isValidAsSpirV(Program program) throws Exception {
    assertValidAsSpirV(program);
  }

  @Tag("ci")
  @ParameterizedTest
  @MethodSource("otherEncodings")
  void isValidAsSpirVInOtherEncodings(Program program) throws Exception {
    assertValidAsSpirV(program);
  }

  private void assertValidAsSpirV(Program program) throws Exception {
    Assumptions.assumeTrue(
        spirV.probe().status() == 0,
        () ->
            "no clang, llvm-spirv of its version and spirv-val (Debian 12: clang-15,"
                + " llvm-spirv-15, spirv-tools): "
                + spirV.probe().firstLine());
    Files.writeString(folder.resolve("kernels.cl"), ProgramSource.of(program.stem()));
    List<String> macros = program.macros().stream().map(m -> "-D" + m).toList();
    Run run = spirV(spirV.version(), "kernels.cl", macros);
    assertEquals(0, run.status(), run.output());
  }

  /** Of unoptimised code, as drivers translate it. */
  private static Run spirV(String version, String source, List<String> macros) {
    List<String> compile =
        new ArrayList<>(
            List.of("clang" + version, "-x", "cl", "-cl-std=CL1.2", "-target", "spir64", "-O0"));
    compile.addAll(List.of("-w", "-Xclang", "-finclude-default-header", "-emit-llvm"));
    compile.addAll(List.of("-c", source, "-o", "out.bc"));
    compile.addAll(macros);
    Run run = run(compile);
    String translator = "llvm-spirv" + version;
    if (run.status() == 0) {
      run = run(List.of(translator, "--spirv-max-version=1.2", "out.bc", "-o", "out.spv"));
    }
    return run.status() == 0
        ? run(List.of("spirv-val", "--target-env", "opencl1.2", "out.spv"))
        : run;
  }

  // ---- programs that are run --------------------------------------------------------------------

  private static final int NOT_THERE = 127;

  private record Run(int status, String output) {
    String firstLine() {
      return output.lines().findFirst().orElse("");
    }
  }

  private static Run run(List<String> command) {
    try {
      Process process =
          new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return new Run(process.waitFor(), output);
    } catch (IOException e) {
      return new Run(NOT_THERE, e.getMessage());
    } catch (InterruptedException e) {
      throw new IllegalStateException(command + " was waited for", e);
    }
  }
}
