package dev.yuzui.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.model.Point;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class WeighedTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");

  static List<Path> models() {
    try (Stream<Path> files = Files.list(GOLDEN)) {
      return files.filter(Files::isDirectory).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What is in no place would loosen no bound and be no suspect. */
  @ParameterizedTest
  @MethodSource("models")
  void everyWeightOfAModelIsOfSomePlace(Path model) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      DeepseekConfig config = checkpoint.config();
      Set<String> held = new TreeSet<>();
      Set<String> used = new TreeSet<>();
      for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
        for (Part part : Part.values()) {
          checkpoint.find(part, layer).ifPresent(tensor -> held.add(tensor.name()));
        }
        for (Point point : Point.values()) {
          Place place = new Place(Phase.PROMPT, layer, point);
          Weighed.at(checkpoint, place).forEach(weight -> used.add(weight.name()));
        }
      }
      assertTrue(held.size() > config.layers());
      held.removeAll(used);
      assertEquals(Set.of(), held);
    }
  }
}
