package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tokenizer is built beside the weights, on a thread of its own. */
class LoadingTokenizerTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");

  @TempDir Path model;

  @BeforeEach
  void copy() throws IOException {
    try (Stream<Path> files = Files.list(GOLDEN.resolve("v2lite-f32"))) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName()));
      }
    }
  }

  private Engine open() {
    RuntimeOptions options = RuntimeOptions.of(model).withContextLength(64);
    return Engine.open(
        Checkpoints.open(model),
        List.of(new Device("reference", new ReferenceProvider(), Optional.empty())),
        options,
        LoadProgress.none());
  }

  @Test
  void itIsBuiltOnce() {
    try (Engine engine = open()) {
      assertSame(engine.tokenizer(), engine.tokenizer());
      assertEquals(engine.chatTemplate(), engine.chatTemplate());
    }
  }

  @Test
  void aTokenizerThatCannotBeReadIsToldWhereTextIsAskedFor() throws IOException {
    Files.writeString(model.resolve("tokenizer.json"), "{\"model\": 7}");
    try (Engine engine = open()) {
      assertTrue(engine.hasTokenizer());
      assertThrows(TextException.class, engine::tokenizer);
      assertThrows(TextException.class, engine::chatTemplate);
      assertThrows(TextException.class, engine::tokenizer, "again");
    }
  }

  @Test
  void anEngineThatIsClosedAtOnceWaitsForItOrNeedsNone() {
    for (int i = 0; i < 20; i++) {
      Engine engine = open();
      engine.close();
      assertThrows(EngineException.class, engine::tokenizer);
    }
  }

  @Test
  void aModelThatCannotBeLoadedLeavesNoTokenizerBehind() throws InterruptedException {
    for (int i = 0; i < 20; i++) {
      Checkpoint checkpoint = Checkpoints.open(model);
      RuntimeOptions tooMuch = RuntimeOptions.of(model).withContextLength(1 << 30);
      assertThrows(
          EngineException.class,
          () ->
              Engine.open(
                  checkpoint,
                  List.of(new Device("reference", new ReferenceProvider(), Optional.empty())),
                  tooMuch,
                  LoadProgress.none()));
      checkpoint.close();
    }
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().equals("yuzui-tokenizer")) {
        assertTrue(thread.join(Duration.ofSeconds(30)), "one that begins late ends at once");
      }
    }
  }
}
