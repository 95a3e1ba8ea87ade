package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders whose linear layers are neither numbers nor DeepSeek's FP8 with F32 scales. */
class QuantisedFolderTest {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final float[] E2M1 = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  private static final String DOWN = "model.layers.1.mlp.experts.%d.down_proj";

  @TempDir Path folder;

  private static float e2m1(int code) {
    return (code & 8) == 0 ? E2M1[code] : -E2M1[code & 7];
  }

  /** As DeepSeek-V4 publishes its experts: element 2i in the lower four bits of byte i. */
  @Test
  void pairsOfFloat4UnderPowersOfTwoAreMxfp4() {
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    int rows = TinyModel.H;
    int cols = TinyModel.F;
    assertEquals(0, cols % 32, "whole groups of 32");
    Random random = new Random(1);
    byte[] codes = new byte[rows * cols / 2];
    byte[] powers = new byte[rows * cols / 32];
    float[] want = new float[rows * cols];
    random.nextBytes(codes);
    for (int i = 0; i < powers.length; i++) {
      powers[i] = (byte) (110 + random.nextInt(17));
    }
    for (int i = 0; i < want.length; i++) {
      int code = codes[i / 2] >> 4 * (i % 2) & 15;
      want[i] = e2m1(code) * Math.scalb(1f, powers[i / 32] - 127) + 0f; // −0 is not kept
    }
    for (int e = 0; e < TinyModel.E; e++) {
      w.tensors.remove(DOWN.formatted(e) + ".weight");
      w.tensor(DOWN.formatted(e) + ".weight", "I8", codes, (long) rows, cols / 2L);
      w.tensor(DOWN.formatted(e) + ".scale", "F8_E8M0", powers, (long) rows, cols / 32L);
    }
    try (Checkpoint c = open(w)) {
      HostTensor down = c.experts(Part.EXPERT_DOWN, 1).getLast();
      assertEquals(new Encoding.MXFP4(), down.encoding());
      assertArrayEquals(want, Dequantizer.all(down));
    }
  }

  @Test
  void fp8MayHavePowersOfTwoAsScales() {
    SafetensorsWriter w = TinyModel.V3.safetensors("F8_E4M3");
    String name = DOWN.formatted(0);
    w.tensors.remove(name + ".weight_scale_inv");
    w.tensor(name + ".scale", "F8_E8M0", new byte[] {126}, 1L, 1L);
    try (Checkpoint c = open(w)) {
      var experts = c.experts(Part.EXPERT_DOWN, 1);
      assertEquals(Encoding.FP8, experts.getFirst().encoding());
      assertEquals(0.5f, experts.getFirst().scales().orElseThrow().get(FLOAT, 0));
    }
  }

  @ParameterizedTest
  @CsvSource({"qweight, AWQ's or GPTQ's", "weight_packed, compressed-tensors'"})
  void packedIntegersAreRefusedByTheTensorThatHoldsThem(String suffix, String whose) {
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    w.tensors.remove(DOWN.formatted(0) + ".weight");
    w.tensor(DOWN.formatted(0) + "." + suffix, "I32", new byte[4], 1L);
    String message = assertThrows(WeightException.class, () -> open(w)).getMessage();
    assertTrue(message.contains("model.safetensors"), message);
    assertTrue(message.contains(DOWN.formatted(0) + "." + suffix), message);
    assertTrue(message.contains(whose), message);
    assertTrue(message.contains("use the publisher's BF16 or FP8 weights, or a GGUF"), message);
  }

  private Checkpoint open(SafetensorsWriter w) {
    return Checkpoints.open(TinyModel.folder(folder, TinyModel.V3.config(), w, 1));
  }
}
