package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FingerprintTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");

  @TempDir Path folder;

  private static String of(Path path) {
    try (Checkpoint c = Checkpoints.open(path)) {
      return c.fingerprint();
    }
  }

  @Test
  void aCheckpointIsTheSameWhereverItLies() throws IOException {
    Path original = GOLDEN.resolve("gguf-v3-q8/model.gguf");
    Path copy = Files.copy(original, folder.resolve("copy.gguf"));
    assertEquals(of(original), of(copy));
    assertTrue(of(copy).matches("[0-9a-f]{64}"));
  }

  @Test
  void theGoldenCheckpointsAllDiffer() throws IOException {
    Map<String, Path> seen = new HashMap<>();
    try (Stream<Path> all = Files.list(GOLDEN)) {
      for (Path path : all.filter(Files::isDirectory).toList()) {
        Path gguf = path.resolve("model.gguf");
        Path before = seen.put(of(Files.exists(gguf) ? gguf : path), path);
        assertTrue(before == null, path + " and " + before);
      }
    }
    assertTrue(seen.size() > 5);
  }

  @Test
  void aChangeOfTheConfigurationOrOfAMatrixShows() throws IOException {
    Path original = GOLDEN.resolve("v3-f32");
    Path copy = Files.createDirectory(folder.resolve("copy"));
    try (Stream<Path> files = Files.list(original)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    String before = of(copy);
    assertEquals(of(original), before);

    Path config = copy.resolve("config.json");
    String text = Files.readString(config);
    Files.writeString(
        config, text.replaceFirst("\"rms_norm_eps\": [^,\n]+", "\"rms_norm_eps\": 0.5"));
    assertNotEquals(before, of(copy));
    Files.writeString(config, text);

    Path weights = copy.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] ^= 1;
    Files.write(weights, bytes);
    assertNotEquals(before, of(copy));
  }

  @Test
  void oneSeedsWeightsAreAnothersNot() {
    assertEquals(synthetic(1), synthetic(1));
    assertNotEquals(synthetic(1), synthetic(2));
  }

  private static String synthetic(long seed) {
    try (Checkpoint c = SyntheticCheckpoint.create("tiny", "Q8_0", seed)) {
      return c.fingerprint();
    }
  }
}
