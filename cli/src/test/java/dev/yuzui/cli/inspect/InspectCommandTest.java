package dev.yuzui.cli.inspect;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {
  @Test
  void jsonTellsWhatTheCheckpointHoldsAndNeeds() {
    CommandRun run = yuzui("inspect", "-m", GGUF, "-c", "128", "--kv-cache-dtype", "f32", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode json = run.json();
    assertEquals("deepseek2", json.at("/metadata/general.architecture").asText());
    assertEquals("F32", json.at("/types/0/type").asText());
    assertTrue(json.at("/parameters/total").asLong() > json.at("/parameters/active").asLong());
    assertTrue(json.at("/parameters/mtp").asLong() > 0);
    JsonNode memory = json.get("memory");
    assertEquals(128, memory.get("context_length").asInt());
    // 3 layers, one of them MTP's, of 32 + 8 numbers of 4 bytes
    assertEquals(3 * 40 * 4, memory.get("cache_bytes_per_token").asInt());
    assertEquals(128 * 3 * 40 * 4, memory.get("cache_bytes").asInt());
    assertTrue(memory.get("fits").asBoolean());
    assertTrue(json.get("tensors").isEmpty());
  }

  /** Two layers with rows for 4 tokens, one with rows for 128, windows of 16 in five. */
  @Test
  void compressedAttentionsCacheIsCountedByWhatGrows() {
    Path model =
        Path.of(System.getProperty("yuzui.root"))
            .resolve("tests/system/src/test/resources/golden/gguf-v4-f32/model.gguf");
    String[] ask = {"inspect", "-m", model.toString(), "--kv-cache-dtype", "f16"};
    CommandRun run = yuzui(ask);
    String streams =
        "streams       2 layers keep a row of 96 and one of 32 to choose by for 4 tokens;"
            + " 1 layer keeps a row of 96 for 128 tokens";
    assertTrue(run.out().contains(streams), run.out());
    assertTrue(run.out().contains("chat template none"), run.out());
    JsonNode memory = yuzui(with(ask, "--json")).json().get("memory");
    assertEquals(
        2 * 2 * (96 + 32) / 4 + Math.ceilDiv(2 * 96, 128),
        memory.get("cache_bytes_per_token").asInt());
    JsonNode compressed = memory.get("compressed");
    long rings = 5L * 16 * 96 * 2;
    long pools = 2L * 8 * 2 * 2 * (96 + 32) * 4 + 128L * 2 * 96 * 4;
    assertEquals(rings, compressed.get("ring_bytes").asLong());
    assertEquals(pools, compressed.get("pool_bytes").asLong());
    assertEquals(rings + pools, compressed.get("snapshot_bytes").asLong());
    assertTrue(yuzui("inspect", "-m", GGUF, "--json").json().at("/memory/compressed").isNull());
  }

  private static String[] with(String[] arguments, String one) {
    String[] all = Arrays.copyOf(arguments, arguments.length + 1);
    all[arguments.length] = one;
    return all;
  }

  @Test
  void theSumOfTheTypesIsTheWeights() {
    JsonNode json = yuzui("inspect", "-m", FOLDER, "--json", "--tensors").json();
    long types = json.get("types").valueStream().mapToLong(t -> t.get("bytes").asLong()).sum();
    long tensors = json.get("tensors").valueStream().mapToLong(t -> t.get("bytes").asLong()).sum();
    assertEquals(json.at("/memory/weight_bytes").asLong(), types);
    assertEquals(types, tensors);
  }

  @Test
  void peopleReadItInLines() {
    CommandRun run = yuzui("inspect", "-m", GGUF, "--tensors");
    for (String part :
        new String[] {
          "parameters ",
          "active per token",
          "MTP layer",
          "weights ",
          "per token (F16)",
          "fits ",
          "token_embd.weight"
        }) {
      assertTrue(run.out().contains(part), part + " is not in\n" + run.out());
    }
  }

  @Test
  void theAnswerComesFirstAndMetadataWhenAskedFor() {
    List<String> lines = yuzui("inspect", "-m", GGUF).lines();
    assertTrue(lines.get(0).contains("GGUF v3"), lines.toString());
    assertTrue(lines.get(1).startsWith("parameters "), lines.toString());
    assertTrue(lines.get(2).matches("fits +into .* free on cpu, with 512 tokens of context"));
    assertTrue(lines.get(3).startsWith("chat template "), lines.toString());
    assertEquals("", lines.get(4));
    assertTrue(lines.stream().noneMatch(line -> line.contains("general.architecture")));
    CommandRun all = yuzui("inspect", "-m", GGUF, "--metadata");
    assertTrue(all.out().contains("general.architecture"), all.out());
  }

  /** The first tensors of the model, their types made some that no backend computes with. */
  private static Path foreign(Path folder) throws IOException {
    byte[] bytes = Files.readAllBytes(Path.of(GGUF));
    for (String name : new String[] {"blk.0.ffn_down.weight", "blk.0.ffn_up.weight"}) {
      int at = indexOf(bytes, name) + name.length() + 4 + 16;
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, 137);
    }
    int at = indexOf(bytes, "token_embd.weight") + "token_embd.weight".length() + 4 + 16;
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, 31);
    return Files.write(folder.resolve("foreign.gguf"), bytes);
  }

  private static int indexOf(byte[] bytes, String name) {
    return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(name);
  }

  @Test
  void aFileOfTypesThatDoNotRunIsShownWithThem(@TempDir Path folder) throws IOException {
    String file = foreign(folder).toString();
    CommandRun run = yuzui("inspect", "-m", file);
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    List<String> lines = run.lines();
    assertTrue(lines.get(1).startsWith("parameters "), run.out());
    assertTrue(
        lines
            .get(2)
            .matches(
                "does not run  .*expected one of the types .*, found type id 137"
                    + " \\(ik_llama.cpp's own\\) in 2 of \\d+, type id 31 \\(Q4_0_4_4, retired\\) in 1 of \\d+ tensors; use .*"),
        run.out());
    assertTrue(
        lines.stream().anyMatch(l -> l.matches("  type id 137 .* 2 tensors .* does not run")),
        run.out());
    assertTrue(lines.stream().anyMatch(l -> l.matches("  F32 +\\d+ tensors .*B")), run.out());
    JsonNode json = yuzui("inspect", "-m", file, "--json").json();
    assertEquals(2, json.get("unusable").size());
    assertTrue(json.get("error").asText().contains("ik_llama.cpp"));
  }

  @Test
  void otherCommandsRefuseItByNameAndItsVocabularyWorks(@TempDir Path folder) throws IOException {
    String file = foreign(folder).toString();
    CommandRun run = yuzui("generate", "-m", file, "x");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("(ik_llama.cpp's own) in 2 of "), run.err());
    assertEquals(ExitCode.DONE, yuzui("tokenize", "-m", file, "x").exitCode());
  }

  @Test
  void aFileThatIsDamagedOtherwiseIsRefusedAsEver(@TempDir Path folder) throws IOException {
    byte[] bytes = Files.readAllBytes(Path.of(GGUF));
    Path file = Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(bytes, bytes.length - 64));
    CommandRun run = yuzui("inspect", "-m", file.toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("cut off"), run.err());
  }
}
