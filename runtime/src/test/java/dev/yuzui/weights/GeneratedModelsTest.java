package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files of the reference generators, which share no code with the reader or its tests. */
@EnabledIf(
    value = "generatorsAreHere",
    disabledReason = "no generators in ../shared/tools, or no Python for them")
class GeneratedModelsTest {
  private static final Path PYTHON = Path.of("/usr/bin/python3");

  @TempDir Path folder;

  static boolean generatorsAreHere() {
    return Files.isExecutable(PYTHON) && SharedData.has("tools");
  }

  @ParameterizedTest
  @CsvSource({
    "tiny-v2lite --type F16 --old-kv-b --layers 4,  4, 0, 55",
    "tiny-v3 --nextn 1 --nextn-head,                4, 1, 94",
    "small-v3 --type Q4_K_M --layers 2 --nextn 1,   2, 1, 56",
    "tiny-llama3 --type Q8_0,                       3, 0, 31",
    "tiny-qwen2 --type Q4_K_M --kv 1,               3, 0, 39",
    "tiny-qwen3 --tied,                             3, 0, 35",
    "tiny-deepseek-moe --fused,                     4, 0, 43"
  })
  void ggufs(String arguments, int layers, int mtp, int tensors)
      throws IOException, InterruptedException {
    Path file = folder.resolve("m.gguf");
    List<String> a = List.of(arguments.split(" "));
    generate("mkmodel.py", a.getFirst(), file.toString(), a.subList(1, a.size()));
    try (Checkpoint c = Checkpoints.open(file)) {
      assertEquals(List.of(layers, mtp), List.of(c.config().layers(), c.config().mtpLayers()));
      assertEquals(tensors, c.stored().size());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--preset v2lite, 3, 0",
    "--preset v2 --dtype BF16, 3, 0",
    "--preset v3 --dtype FP8 --mtp 1 --shards 3, 4, 1"
  })
  void folders(String arguments, int layers, int mtp) throws IOException, InterruptedException {
    generate("mkhf.py", folder.toString(), List.of(arguments.split(" ")));
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals(List.of(layers, mtp), List.of(c.config().layers(), c.config().mtpLayers()));
      assertTrue(c.generationDefaults().temperature().isPresent());
    }
  }

  private static void generate(String tool, String first, String second, List<String> rest)
      throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(List.of(second));
    all.addAll(rest);
    generate(tool, first, all);
  }

  private static void generate(String tool, String first, List<String> rest)
      throws IOException, InterruptedException {
    List<String> arguments = new ArrayList<>(List.of(first));
    arguments.addAll(rest);
    python(SharedData.path("tools/" + tool), arguments);
  }

  /** Runs a tool, or skips the test where Python cannot. */
  static void python(Path tool, List<String> arguments) throws IOException, InterruptedException {
    assumeTrue(Files.isExecutable(PYTHON), "no Python");
    List<String> command = new ArrayList<>(List.of(PYTHON.toString(), tool.toString()));
    command.addAll(arguments);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(10, TimeUnit.MINUTES), "generator takes too long");
    assumeTrue(!output.contains("No module named 'numpy'"), "Python has no numpy");
    assertEquals(0, process.exitValue(), output);
  }
}
