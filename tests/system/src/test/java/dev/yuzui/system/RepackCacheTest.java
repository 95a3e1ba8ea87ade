package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whole models from the weights that an earlier start repacked: the same numbers to the last bit.
 */
class RepackCacheTest {
  @TempDir private Path folder;

  static Stream<Golden> repacked() {
    return Golden.all().filter(g -> !g.isF32() && UnderTest.backends().anyMatch("cpu"::equals));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("repacked")
  void theSecondStartRepacksNothingAndComputesTheSame(Golden golden) throws IOException {
    RuntimeOptions options =
        UnderTest.on("cpu", RuntimeOptions.of(golden.model()))
            .withThreads(2)
            .withContextLength(256);
    List<String> log = new ArrayList<>();
    RuntimeOptions kept = options.withRepackCache(folder).withLog(log::add);
    float[] without = logits(golden, options);
    assertArrayEquals(without, logits(golden, kept));
    assertTrue(
        log.stream()
            .anyMatch(line -> line.matches("cpu: [1-9]\\d* weights were repacked, 0 were.*")),
        log::toString);
    log.clear();
    assertArrayEquals(without, logits(golden, kept));
    assertTrue(
        log.stream().anyMatch(line -> line.matches("cpu: 0 weights were repacked, [1-9].*")),
        log::toString);
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  private static float[] logits(Golden golden, RuntimeOptions options) {
    try (Engine engine = Engine.open(options, LoadProgress.none())) {
      int vocab = engine.config().vocabSize();
      float[] all = new float[golden.tokens().length * vocab];
      engine.logits(
          golden.tokens(),
          (position, row) -> System.arraycopy(row, 0, all, position * vocab, vocab));
      return all;
    }
  }
}
