package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BlockScale.Form;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockScaleTest {
  @ParameterizedTest
  @CsvSource({
    "F16, 0.0312, 0.0312",
    "F16, -2, -2",
    "F16_IN_NIBBLES, 0.0312, 0.0312",
    "F16_IN_NIBBLES, -2, -2",
    "E8M0, 0.25, 0.25",
    "E8M0, 0.37, 0.25",
    "E8M0, 0.38, 0.5",
    "E8M0, -3.1, 4",
    "E8M0, 0, 5.877472e-39",
    "E8M0, 1e38, 8.507059e37",
    "UE4M3, 0, 0",
    "UE4M3, 0.0312, 0.03125",
    "UE4M3, -1.5, 1.5",
    "UE4M3, 9999, 448"
  })
  void takesTheNearestOfItsForm(Form form, float value, float nearest) {
    byte[] block = new byte[16];
    Arrays.fill(block, (byte) 0x5a);
    BlockScale scale = new BlockScale(2, form);
    scale.put(MemorySegment.ofArray(block), 4, value);
    float got = scale.get(MemorySegment.ofArray(block), 4);
    assertEquals(nearest, got, Math.abs(nearest) * 0x1p-11f, form + " " + value);
    assertTrue(scale.isNumber(MemorySegment.ofArray(block), 4));
  }

  @Test
  void nibblesKeepWhatElseIsInTheirWords() {
    byte[] block = new byte[8];
    Arrays.fill(block, (byte) 0x5a);
    new BlockScale(0, Form.F16_IN_NIBBLES).put(MemorySegment.ofArray(block), 0, 1f);
    // 1 is 0x3c00
    assertEquals("[90, 10, 90, 10, 90, -54, 90, 58]", Arrays.toString(block));
  }

  @Test
  void aPowerOfCode255IsNoNumber() {
    MemorySegment block = MemorySegment.ofArray(new byte[] {-1});
    assertFalse(new BlockScale(0, Form.E8M0).isNumber(block, 0));
  }

  /** What ggml makes of codes that float8_e4m3fn has no numbers for. */
  @ParameterizedTest
  @CsvSource({"0x7f, 0", "0x7e, 448", "0xff, 480", "0xfe, 448", "0x80, 0", "0x01, 0.001953125"})
  void codesOfUe4m3(String code, float value) {
    MemorySegment block = MemorySegment.ofArray(new byte[] {Integer.decode(code).byteValue()});
    assertEquals(value, new BlockScale(0, Form.UE4M3).get(block, 0));
  }
}
