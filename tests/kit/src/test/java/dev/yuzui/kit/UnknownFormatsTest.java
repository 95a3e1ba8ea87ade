package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What the kit does not know has no bound and no bytes: it guesses neither. */
class UnknownFormatsTest {

  @Test
  void aCacheThatNoBackendWritesHasNoStep() {
    refused("Q4_0", () -> Tolerance.stored(new Encoding.Q4_0(), 100));
    refused("I32", () -> Tolerance.stored(Encoding.I32, 100));
  }

  @Test
  void whatIsNoWeightHasNoBound() {
    refused("E4M3", () -> Tolerance.product(Encoding.E4M3, 1, 64, 1, 1, 1));
    refused("I32", () -> Tolerance.product(Encoding.I32, 1, 64, 1, 1, 1));
  }

  @Test
  void numbersAreNotWrittenInAFormatThatIsOnlyRead() {
    try (Arena arena = Arena.ofConfined()) {
      refused("Q4_K", () -> Weights.of(arena, "w", new Encoding.Q4_K(), 1, 256, new float[256]));
    }
  }

  @Test
  void aLabelOfNoFormatIsNamed() {
    refused("Q9_Z", () -> Conformance.encoding("Q9_Z"));
    refused("Q9_Z", () -> Tolerance.withHalves(0, "Q9_Z", 1));
  }

  private static void refused(String format, Executable call) {
    IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().contains(format), e::getMessage);
  }
}
