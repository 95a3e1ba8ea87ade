package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.io.Json;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file of requests as any program has it answered. */
class BatchTest {
  private static final Path MODEL =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");

  @TempDir private Path folder;

  private static Engine engine() {
    return Engine.open(
        RuntimeOptions.of(MODEL).withBackend("reference").withContextLength(64),
        LoadProgress.none());
  }

  private List<JsonNode> rows() throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve("out"))) {
      rows.add(Json.mapper().readTree(line));
    }
    return rows;
  }

  @Test
  void aProgramHasAFileAnsweredAndGoesOnWithIt() throws IOException {
    Path input =
        Files.writeString(
            folder.resolve("in"),
            """
            {"prompt":"ab","max_tokens":3}
            {"custom_id":"c","url":"/v1/completions","body":{"prompt":[1,2],"max_tokens":2}}
            {"prompt":"a","max_tokens":0}
            """);
    Batch batch = Batch.of(input, folder.resolve("out"));
    List<String> heard = new ArrayList<>();
    BatchListener listener =
        new BatchListener() {
          @Override
          public void answered(long promptTokens, long generatedTokens) {
            heard.add(generatedTokens + " tokens");
          }

          @Override
          public void failed() {
            heard.add("failed");
          }
        };
    try (Engine engine = engine()) {
      ServedModel model = ServedModel.of(engine);
      assertTrue(batch.run(engine, model, listener, () -> false));
      assertEquals(List.of("3 tokens", "2 tokens", "failed"), heard);
      assertEquals("length", rows().get(0).get("finish_reason").asText());
      assertEquals("c", rows().get(1).get("custom_id").asText());
      String written = Files.readString(folder.resolve("out"));

      var e =
          assertThrows(BatchException.class, () -> batch.run(engine, model, listener, () -> false));
      assertTrue(e.getMessage().contains("Batch.resume"), e.getMessage());
      assertTrue(batch.withResume(true).run(engine, model, listener, () -> false));
      assertEquals(written, Files.readString(folder.resolve("out")));
      assertEquals(3, heard.size(), "nothing was left to do");

      ServedModel warmer =
          model.with(SamplingParams.DEFAULT, model.maxTokens(), model.stop(), model.ignoreEos());
      var other =
          assertThrows(
              BatchException.class,
              () -> batch.withResume(true).run(engine, warmer, listener, () -> false));
      assertTrue(other.getMessage().contains("sampling"), other.getMessage());
      assertEquals(written, Files.readString(folder.resolve("out")));
    }
  }
}
