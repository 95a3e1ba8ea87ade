package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import org.junit.jupiter.api.Test;

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
}
