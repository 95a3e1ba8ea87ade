package dev.yuzui.system;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A small checkpoint with what the float64 reference makes of it; scripts/make-golden writes them.
 *
 * @param tokens input ids; the first {@code prompt} of them are continued by {@code greedy}
 * @param logits of every position
 * @param mtp logits of the MTP layer for all but the last position, if the checkpoint has one
 */
record Golden(
    String name,
    Path model,
    int[] tokens,
    int prompt,
    List<Integer> greedy,
    float[] logits,
    Optional<float[]> mtp) {

  static Path folder() {
    return Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  }

  static Stream<Golden> all() {
    try (Stream<Path> dirs = Files.list(folder())) {
      return dirs.filter(Files::isDirectory).sorted().toList().stream().map(Golden::read);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Golden named(String name) {
    return read(folder().resolve(name));
  }

  private static Golden read(Path dir) {
    try {
      JsonNode expected = new ObjectMapper().readTree(dir.resolve("expected.json").toFile());
      Path gguf = dir.resolve("model.gguf");
      Path mtp = dir.resolve("mtp.f32");
      return new Golden(
          dir.getFileName().toString(),
          Files.exists(gguf) ? gguf : dir,
          ints(expected.get("tokens")).stream().mapToInt(Integer::intValue).toArray(),
          expected.get("prompt").asInt(),
          ints(expected.get("greedy")),
          floats(dir.resolve("logits.f32")),
          Files.exists(mtp) ? Optional.of(floats(mtp)) : Optional.empty());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Integer> ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::asInt).toList();
  }

  private static float[] floats(Path file) throws IOException {
    var buffer = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    float[] out = new float[buffer.remaining() / 4];
    buffer.asFloatBuffer().get(out);
    return out;
  }

  boolean isF32() {
    return name.contains("f32");
  }

  /** Whether weights are in blocks with a scale, not numbers. */
  boolean hasBlocks() {
    return name.contains("q8") || name.contains("fp4") || isMixed();
  }

  /** Whether its tensors are of all the types of few bits. */
  boolean isMixed() {
    return name.contains("mixed");
  }

  /**
   * Whether its tokens look at a part of what is behind them: a key that is off chooses another.
   */
  boolean isSparse() {
    return name.contains("v32") || name.contains("glm5") || name.contains("v4");
  }

  /** Whether it looks at entries, each a token's, that an indexer chooses. */
  boolean chooses() {
    return isSparse() && !name.contains("v4");
  }

  /** ‖a − b‖ / ‖b‖ over all elements. */
  static double relativeError(float[] a, float[] b) {
    if (a.length != b.length) {
      throw new AssertionError(a.length + " numbers, expected " + b.length);
    }
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      difference += Math.pow((double) a[i] - b[i], 2);
      norm += (double) b[i] * b[i];
    }
    return Math.sqrt(difference / norm);
  }

  @Override
  public String toString() {
    return name;
  }
}
