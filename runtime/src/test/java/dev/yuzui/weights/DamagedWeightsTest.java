package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DamagedWeightsTest {
  static Stream<Encoding> encodings() {
    return Stream.of(
        Encoding.F32,
        Encoding.F16,
        Encoding.BF16,
        new Encoding.Q4_0(),
        new Encoding.Q4_1(),
        new Encoding.Q5_0(),
        new Encoding.Q5_1(),
        new Encoding.Q8_0(),
        new Encoding.Q2_K(),
        new Encoding.Q3_K(),
        new Encoding.Q4_K(),
        new Encoding.Q5_K(),
        new Encoding.Q6_K(),
        new Encoding.IQ4_NL(),
        new Encoding.IQ4_XS());
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
