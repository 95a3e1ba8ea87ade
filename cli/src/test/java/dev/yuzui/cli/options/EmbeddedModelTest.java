package dev.yuzui.cli.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.cli.shell.UsageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedModelTest {
  private static final boolean PACKED =
      EmbeddedModel.class.getResource("/dev/yuzui/cli/demo.gguf") != null;

  @TempDir private Path folder;

  @Test
  void theCheckoutsOwnFileIsUsedWhereItLies() throws IOException {
    Path seeds = Files.createDirectories(folder.resolve("seeds"));
    Path demo = Files.writeString(seeds.resolve("demo.gguf"), "weights");
    assertEquals(demo, EmbeddedModel.path(surroundings(Optional.of(folder))));
  }

  @Test
  void thePackedOneIsUnpackedOnce() throws IOException {
    assumeTrue(PACKED, "this build has no seeds/demo.gguf");
    Path first = EmbeddedModel.path(surroundings(Optional.empty()));
    assertEquals(
        "GGUF",
        new String(Files.readAllBytes(first), 0, 4, java.nio.charset.StandardCharsets.US_ASCII));
    assertEquals(first, EmbeddedModel.path(surroundings(Optional.of(folder.resolve("elsewhere")))));
    try (Stream<Path> files = Files.list(folder.resolve("cache"))) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void aBuildWithoutOneSaysWhatToDo() {
    assumeFalse(PACKED, "this build has an embedded model");
    UsageException e =
        assertThrows(
            UsageException.class, () -> EmbeddedModel.path(surroundings(Optional.empty())));
    assertTrue(e.getMessage().contains("-m PATH") && e.getMessage().contains("train"));
  }

  private Surroundings surroundings(Optional<Path> home) {
    return new Surroundings(home, folder.resolve("cache"), Set.of(), OptionalInt.empty());
  }
}
