package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every encoding decodes to ggml's numbers, bit for bit. */
class DequantizerTest {

  static Stream<Encoding> blockFormats() {
    return Encoding.all().stream().filter(Encoding.Block.class::isInstance);
  }

  @ParameterizedTest
  @MethodSource("blockFormats")
  void referenceBlocks(Encoding encoding) {
    float[] want = Golden.floats(encoding.label() + ".dequant.f32");
    float[] got = Golden.decode(encoding, Golden.bytes(encoding.label() + ".blocks.bin"));
    assertArrayEquals(Golden.bits(want), Golden.bits(got));
  }

  @ParameterizedTest
  @CsvSource({"F16", "BF16"})
  void referenceHalves(String label) {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    float[] want = Golden.floats(label + ".dequant.f32");
    float[] got = Golden.decode(encoding, Golden.bytes(label + ".blocks.bin"));
    assertArrayEquals(Golden.bits(want), Golden.bits(got));
  }

  @ParameterizedTest
  @CsvSource({
    "0x00, 0",
    "0x01, 0.001953125",
    "0x07, 0.013671875",
    "0x08, 0.015625",
    "0x38, 1",
    "0x3c, 1.5",
    "0x7e, 448",
    "0x81, -0.001953125",
    "0xb8, -1",
    "0xfe, -448",
    "0x7f, NaN",
    "0xff, NaN"
  })
  void e4m3HasNoInfinities(String code, float value) {
    assertEquals(value, Dequantizer.e4m3(Integer.decode(code).byteValue()));
  }

  @Test
  void e4m3ReferenceTable() {
    float[] table = Golden.floats("FP8_E4M3FN.table256.f32");
    for (int i = 0; i < 256; i++) {
      assertEquals(table[i], Dequantizer.e4m3((byte) i), "code " + i);
    }
  }

  @Test
  void fp8ReferenceMatrixOfPartialTiles() {
    HostTensor w =
        new HostTensor(
            "w",
            Encoding.FP8,
            134,
            141,
            MemorySegment.ofArray(Golden.bytes("FP8_BLOCK.weight_134x141.u8")),
            Optional.of(MemorySegment.ofArray(Golden.bytes("FP8_BLOCK.weight_scale_inv_2x2.f32"))));
    float[] want = Golden.floats("FP8_BLOCK.dequant_134x141.f32");
    assertArrayEquals(Golden.bits(want), Golden.bits(Dequantizer.all(w)));
  }

  @Test
  void fp8TilesTakeTheirOwnScale() {
    int rows = 130;
    int cols = 257;
    byte[] ones = new byte[rows * cols];
    Arrays.fill(ones, (byte) 0x38);
    float[] scales = {1, 2, 3, 4, 5, 6};
    HostTensor w =
        new HostTensor(
            "w",
            Encoding.FP8,
            rows,
            cols,
            MemorySegment.ofArray(ones),
            Optional.of(MemorySegment.ofArray(scales)));
    float[] x = Dequantizer.all(w);
    assertEquals(6, ((Encoding.Fp8Tiled) Encoding.FP8).scaleCount(rows, cols));
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        assertEquals(scales[r / 128 * 3 + c / 128], x[r * cols + c], r + ", " + c);
      }
    }
  }

  @Test
  void rowsOfABlockFormatStartWhereTheirBlocksDo() {
    byte[] blocks = new byte[4 * 34];
    for (int b = 0; b < 4; b++) {
      MemorySegment.ofArray(blocks).set(Dequantizer.SHORT, 34L * b, Float.floatToFloat16(b + 1f));
      blocks[34 * b + 2] = 3;
    }
    HostTensor w = HostTensor.of("w", new Encoding.Q8_0(), 2, 64, MemorySegment.ofArray(blocks));
    float[] row = new float[70];
    Dequantizer.row(w, 1, row, 6);
    assertEquals(9f, row[6]);
    assertEquals(12f, row[38]);
    assertEquals(0f, row[5]);
  }

  @Test
  void fp8IsNotDecodedWithoutItsScales() {
    MemorySegment codes = MemorySegment.ofArray(new byte[4]);
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> Dequantizer.decode(Encoding.FP8, codes, 0, 4, new float[4], 0));
    assertTrue(e.getMessage().contains("scales lie apart"), e.getMessage());
  }
}
