package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BlockScale;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class DamagedWeightsTest {
  static Stream<Encoding> encodings() {
    return Encoding.all().stream()
        .filter(
            e ->
                switch (e) {
                  case Encoding.Plain _ -> true;
                  case Encoding.Fp8Tiled _ -> false;
                  case Encoding.Block b -> b.scales().stream().allMatch(DamagedWeightsTest::isHalf);
                });
  }

  private static boolean isHalf(BlockScale scale) {
    return scale.form() == BlockScale.Form.F16;
  }

  /** Whatever two bytes of the second block are hit, it is damage where the weights are none. */
  @ParameterizedTest
  @MethodSource("encodings")
  void aTensorIsDamagedWhereItsWeightsAreNoNumbers(Encoding encoding) {
    int block = encoding.blockBytes();
    int damaged = 0;
    for (int at = 0; at < block - 1; at++) {
      byte[] bytes = new byte[3 * block];
      bytes[block + at] = (byte) 0x80;
      bytes[block + at + 1] = (byte) 0x7f;
      HostTensor tensor =
          HostTensor.of(
              "t", encoding, 1, 3L * encoding.blockElements(), MemorySegment.ofArray(bytes));
      boolean expected = false;
      for (float weight : Dequantizer.all(tensor)) {
        expected |= !Float.isFinite(weight);
      }
      assertEquals(expected, DamagedWeights.isDamaged(tensor), "byte " + at);
      damaged += expected ? 1 : 0;
    }
    assertTrue(damaged > 0);
  }

  @Test
  void aHalfInNibblesIsDamagedAsAnyOther() {
    Encoding.IQ1_M encoding = new Encoding.IQ1_M();
    MemorySegment blocks = MemorySegment.ofArray(new byte[2 * 56]);
    HostTensor tensor = HostTensor.of("t", encoding, 1, 512, blocks);
    assertFalse(DamagedWeights.isDamaged(tensor));
    encoding.scales().getFirst().put(blocks, 56, Float.NaN);
    assertTrue(DamagedWeights.isDamaged(tensor));
  }

  @ParameterizedTest
  @CsvSource({"MXFP4, 255, true", "MXFP4, 254, false", "NVFP4, 127, false", "NVFP4, 255, false"})
  void aPowerOfTwoOfCode255IsDamage(String label, int scale, boolean damaged) {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    byte[] bytes = new byte[2 * encoding.blockBytes()];
    bytes[encoding.blockBytes()] = (byte) scale;
    HostTensor tensor =
        HostTensor.of(
            "t", encoding, 1, 2L * encoding.blockElements(), MemorySegment.ofArray(bytes));
    assertEquals(damaged, DamagedWeights.isDamaged(tensor));
  }

  @ParameterizedTest
  @MethodSource("fp8")
  void fp8IsDamagedByItsCodesAndByItsScales(byte code, float scale, boolean damaged) {
    byte[] codes = new byte[128];
    codes[5] = code;
    HostTensor tensor =
        new HostTensor(
            "t",
            Encoding.FP8,
            1,
            128,
            MemorySegment.ofArray(codes),
            Optional.of(MemorySegment.ofArray(new float[] {scale})));
    assertEquals(damaged, DamagedWeights.isDamaged(tensor));
  }

  static Stream<Object[]> fp8() {
    return Stream.of(
        new Object[] {(byte) 0x7e, 1f, false},
        new Object[] {(byte) 0x7f, 1f, true},
        new Object[] {(byte) 0xff, 1f, true},
        new Object[] {(byte) 0x12, Float.NaN, true},
        new Object[] {(byte) 0x12, Float.POSITIVE_INFINITY, true});
  }
}
