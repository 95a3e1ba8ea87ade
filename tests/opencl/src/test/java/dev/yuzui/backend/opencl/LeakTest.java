package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.sampling.SamplingParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What models take of a device they give back, and a long text takes no more than a short one. */
class LeakTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");

  @BeforeEach
  void needsADevice() {
    BackendsUnderTest.requireUsable(new WatchedProvider());
  }

  private static Engine open(Path model, int context) {
    return Engine.open(
        RuntimeOptions.of(model).withBackend(WatchedProvider.NAME).withContextLength(context),
        LoadProgress.none());
  }

  private static GenerateRequest request(int tokens) {
    return GenerateRequest.of(List.of(1, 2, 3))
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  @Test
  void aModelGivesBackWhatItTook() {
    loads(30);
  }

  @Test
  @Tag("long")
  void aThousandModelsGiveBackWhatTheyTook() {
    loads(1000);
  }

  private static void loads(int count) {
    for (int i = 0; i < count; i++) {
      try (Engine engine = open(GOLDEN.resolve("gguf-v2lite-bf16/model.gguf"), 64)) {
        assertEquals(2, engine.generate(request(2)).await().tokens().size());
        assertTrue(WatchedProvider.last().allocatedBytes() > 300_000, "the model is on the device");
      }
      Cl cl = WatchedProvider.last();
      assertEquals(0, cl.allocatedBytes(), "bytes after load " + i);
      assertEquals(0, cl.objects(), "objects of the driver's after load " + i);
    }
  }

  @Test
  void aTextTakesNoMoreAsItGrows(@TempDir Path folder) throws IOException {
    generates(1000, folder);
  }

  @Test
  @Tag("long")
  void aLongTextTakesNoMoreAsItGrows(@TempDir Path folder) throws IOException {
    generates(10_000, folder);
  }

  private static void generates(int tokens, Path folder) throws IOException {
    withContext(GOLDEN.resolve("v2lite-f32"), tokens + 100, folder);
    Set<Long> bytes = new TreeSet<>();
    Set<Integer> objects = new TreeSet<>();
    int[] made = new int[1];
    try (Engine engine = open(folder, tokens + 100)) {
      GenerationResult result =
          engine
              .generate(
                  request(tokens),
                  (id, text) -> {
                    if (++made[0] > 20) {
                      bytes.add(WatchedProvider.last().allocatedBytes());
                      objects.add(WatchedProvider.last().objects());
                    }
                  })
              .await();
      assertEquals(tokens, result.tokens().size());
    }
    assertEquals(1, bytes.size(), "bytes in use: " + bytes);
    assertEquals(1, objects.size(), "objects of the driver's: " + objects);
  }

  /** A copy of a model whose context is long enough. */
  private static void withContext(Path model, int context, Path folder) throws IOException {
    try (Stream<Path> files = Files.list(model)) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    Path config = folder.resolve("config.json");
    String edited =
        Files.readString(config)
            .replaceFirst(
                "\"max_position_embeddings\": *\\d+", "\"max_position_embeddings\": " + context);
    Files.writeString(config, edited);
  }
}
