package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantizerTest {

  private static byte[] encode(Encoding encoding, float[] x) {
    byte[] out = new byte[(int) encoding.byteSize(1, x.length)];
    Quantizer.encode(encoding, x, 0, x.length, MemorySegment.ofArray(out), 0);
    return out;
  }

  @ParameterizedTest
  @CsvSource({
    "F16,  F16.src.f32,          F16.blocks.bin",
    "BF16, BF16.src.f32,         BF16.blocks.bin",
    "Q8_0, Q8_0.qsrc.f32,        Q8_0.qblocks.bin",
    "Q8_0, C_QUANTIZE.src_1024.f32, Q8_0.Cref_quantized.bin"
  })
  void referenceBlocks(String label, String source, String blocks) {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    assertArrayEquals(Golden.bytes(blocks), encode(encoding, Golden.floats(source)));
  }

  @Test
  void bf16RoundsToNearestEven() {
    assertEquals((short) 0x3f80, Quantizer.bf16(1f));
    assertEquals((short) 0x3f80, Quantizer.bf16(Float.intBitsToFloat(0x3f808000)), "tie to even");
    assertEquals((short) 0x3f82, Quantizer.bf16(Float.intBitsToFloat(0x3f818000)), "tie to even");
    assertEquals((short) 0x3f81, Quantizer.bf16(Float.intBitsToFloat(0x3f808001)));
    assertEquals((short) 0x7f80, Quantizer.bf16(Float.POSITIVE_INFINITY));
    assertEquals((short) 0x7f80, Quantizer.bf16(Float.MAX_VALUE), "rounds up to infinity");
    float nan = Float.intBitsToFloat(Quantizer.bf16(Float.intBitsToFloat(0x7f800001)) << 16);
    assertTrue(Float.isNaN(nan));
  }

  @Test
  void e4m3IsTheNearestCode() {
    for (int code = 0; code < 0xff; code++) { // but for the second NaN
      float v = Dequantizer.e4m3((byte) code);
      assertEquals((byte) code, Quantizer.e4m3(v), () -> "of its own value " + v);
    }
    for (int code = 0; code < 0x7e; code++) {
      float low = Dequantizer.e4m3((byte) code);
      float high = Dequantizer.e4m3((byte) (code + 1));
      float middle = (low + high) / 2;
      assertEquals((byte) (code + (code & 1)), Quantizer.e4m3(middle), "tie to even");
      assertEquals((byte) code, Quantizer.e4m3(Math.nextDown(middle)));
      assertEquals((byte) (code + 1), Quantizer.e4m3(Math.nextUp(middle)));
      assertEquals((byte) (code + 1 | 0x80), Quantizer.e4m3(-Math.nextUp(middle)));
    }
    assertEquals((byte) 0x7e, Quantizer.e4m3(1e9f), "at most 448");
    assertEquals((byte) 0xfe, Quantizer.e4m3(Float.NEGATIVE_INFINITY), "at least -448");
    assertEquals((byte) 0, Quantizer.e4m3(Float.MIN_VALUE));
  }

  @Provide
  Arbitrary<float[]> block() {
    return Arbitraries.floats().between(-1000, 1000).array(float[].class).ofSize(32);
  }

  /** Half a step of d, and the error of d itself as F16. */
  @Property(tries = 300)
  void q8StaysWithinHalfAStep(@ForAll("block") float[] x) {
    float max = 0;
    for (float v : x) {
      max = Math.max(max, Math.abs(v));
    }
    float[] y = Golden.decode(new Encoding.Q8_0(), encode(new Encoding.Q8_0(), x));
    double bound = max / 127 * 0.5 * (1 + 1e-3) + max * 0x1p-11 + 127 * 0x1p-25;
    for (int i = 0; i < 32; i++) {
      assertEquals(x[i], y[i], bound, "weight " + i);
    }
  }

  @Test
  void plainRoundTripsAreExactWhereTheFormatHoldsTheNumber() {
    float[] x = {0, -0f, 1, -1.5f, 0.25f, 100, -0.0078125f, 1.9921875f};
    for (Encoding e : new Encoding[] {Encoding.F32, Encoding.F16, Encoding.BF16}) {
      assertArrayEquals(Golden.bits(x), Golden.bits(Golden.decode(e, encode(e, x))), e.label());
    }
  }

  @Test
  void formatsThatYuzuiOnlyReadsAreRefused() {
    for (Encoding e : Encoding.all()) {
      boolean written = e instanceof Encoding.Plain || e instanceof Encoding.Q8_0;
      if (!written) {
        var refused = assertThrows(IllegalArgumentException.class, () -> encode(e, new float[256]));
        assertTrue(refused.getMessage().contains(e.label()), refused.getMessage());
      }
    }
  }
}
