package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import org.junit.jupiter.api.Test;

class TilesTest {
  @Test
  void takeWhatTheFileTakesWhereNothingIsPadded() {
    for (Encoding encoding : Tiles.ENCODINGS) {
      long scales = encoding.equals(Encoding.FP8) ? 4 * 2 * 8 : 0;
      assertEquals(
          encoding.byteSize(256, 1024) + scales,
          Tiles.matrixBytes(encoding, 256, 1024),
          encoding::label);
    }
  }

  @Test
  void padRowsToSixteenAndColumnsToATile() {
    assertEquals(2L * 16 * 32, Tiles.matrixBytes(Encoding.F16, 1, 1));
    assertEquals(2L * 32 * 64, Tiles.matrixBytes(Encoding.BF16, 17, 33));
    assertEquals(2 * 16 * 34, Tiles.matrixBytes(new Encoding.Q8_0(), 20, 32));
    assertEquals(16 * 32 + 4, Tiles.matrixBytes(Encoding.FP8, 1, 1), "512 bytes are aligned");
    assertEquals(4 * 3 * 5, Tiles.matrixBytes(Encoding.F32, 3, 5), "F32 lies as in the file");
  }

  @Test
  void whatIsNotMultipliedBecomesAnotherThatIs() {
    for (Encoding encoding : Encoding.all()) {
      Encoding kept = Tiles.kept(encoding);
      assertTrue(Tiles.ENCODINGS.contains(kept));
      Encoding other = Lossless.of(encoding).orElse(Encoding.F16);
      assertEquals(Tiles.ENCODINGS.contains(encoding) ? encoding : other, kept);
    }
  }
}
