package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A weight that is NaN, as a damaged download may have, is named. */
class NotNumbersTest {
  @TempDir private Path folder;

  /** The model of the tests with NaN in the first place of each row of {@code tensor}. */
  private Path damaged(String tensor) throws IOException {
    try (Stream<Path> files = Files.list(Path.of(FOLDER))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    Path weights = folder.resolve("model.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(weights)).order(ByteOrder.LITTLE_ENDIAN);
    int header = (int) bytes.getLong(0);
    JsonNode entry = Json.mapper().readTree(bytes.array(), 8, header).get(tensor);
    int begin = 8 + header + entry.at("/data_offsets/0").asInt();
    int end = 8 + header + entry.at("/data_offsets/1").asInt();
    JsonNode shape = entry.get("shape");
    int row = 4 * shape.get(shape.size() - 1).asInt();
    for (int at = begin; at < end; at += row) {
      bytes.putFloat(at, Float.NaN);
    }
    Files.write(weights, bytes.array());
    return folder;
  }

  private static void assertNamed(CommandRun run, String tensor) {
    assertAll(
        () -> assertEquals(ExitCode.FAILED, run.exitCode(), run.err()),
        () -> assertTrue(run.err().contains("the logits are not numbers"), run.err()),
        () -> assertTrue(run.err().contains("tensor " + tensor), run.err()),
        () -> assertTrue(run.err().contains("the file is damaged"), run.err()),
        () -> assertFalse(run.err().contains("unexpected"), run.err()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model.layers.0.self_attn.o_proj.weight",
        "model.layers.0.mlp.down_proj.weight",
        "model.layers.1.mlp.gate.weight",
        "model.layers.1.mlp.shared_experts.up_proj.weight",
        "model.layers.1.input_layernorm.weight",
        "lm_head.weight"
      })
  void generateNamesTheTensor(String tensor) throws IOException {
    String model = damaged(tensor).toString();
    for (String[] how : new String[][] {{"--temp", "0"}, {"--top-k", "5"}, {"--top-k", "0"}}) {
      for (String backend : new String[] {"cpu", "reference"}) {
        assertNamed(
            yuzui("generate", "-m", model, "ab", "-n", "3", how[0], how[1], "--backend", backend),
            tensor);
      }
    }
  }

  @Test
  void perplexityIsNoNumberThen() throws IOException {
    Path text = Files.writeString(folder.resolve("text.txt"), "a text of some tokens");
    String tensor = "model.layers.0.self_attn.o_proj.weight";
    CommandRun run =
        yuzui(
            "perplexity", "-m", damaged(tensor).toString(), "-f", text.toString(), "--chunk", "8");
    assertNamed(run, tensor);
    assertEquals("", run.out());
  }

  @Test
  void chatNamesTheTensorAndGoesOn() throws IOException {
    String tensor = "model.layers.0.mlp.down_proj.weight";
    CommandRun run =
        withInput("Hello\n/stats\n", "chat", "-m", damaged(tensor).toString(), "-n", "2");
    assertTrue(run.err().contains("tensor " + tensor), run.err());
    assertTrue(run.err().contains("0 messages"), run.err());
  }

  @Test
  void nothingIsComparedWithWhatIsNoNumber() throws IOException {
    String tensor = "model.layers.1.input_layernorm.weight";
    CommandRun run =
        yuzui(
            "compare", "-m", damaged(tensor).toString(), "--backends", "reference,cpu", "-n", "1");
    assertNamed(run, tensor);
    assertEquals("", run.out());
  }

  @Test
  void aCacheOfBlocksThatDoNotDivideItsEntryNamesTheFlagAndWhatFits() {
    for (String command : new String[] {"inspect", "bench"}) {
      CommandRun run = yuzui(command, "-m", FOLDER, "--kv-cache-dtype", "q8_0");
      assertEquals(ExitCode.USAGE, run.exitCode(), run.err());
      assertEquals("", run.out());
      assertEquals(
          "yuzui: --kv-cache-dtype Q8_0: expected a cache entry of whole blocks of 32 numbers, found"
              + " this model's 40; use f16, bf16, fp8 or f32\n",
          run.err());
    }
  }
}
