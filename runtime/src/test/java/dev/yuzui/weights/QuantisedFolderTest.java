package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
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
    Pairs pairs = new Pairs(TinyModel.H, TinyModel.F);
    try (Checkpoint c = open(pairs.asDown(TinyModel.V3.safetensors("F32")))) {
      HostTensor down = c.experts(Part.EXPERT_DOWN, 1).getLast();
      assertEquals(new Encoding.MXFP4(), down.encoding());
      assertArrayEquals(pairs.values(), Dequantizer.all(down));
    }
  }

  /** A V4 holds 150 GB of them: what the file has when an expert is got is what it is made of. */
  @Test
  void pairsBecomeBlocksWhenAnExpertIsGotAndNotBefore() throws IOException {
    Pairs pairs = new Pairs(TinyModel.H, TinyModel.F);
    try (Checkpoint c = open(pairs.asDown(TinyModel.V3.safetensors("F32")));
        Arena arena = Arena.ofConfined()) {
      List<HostTensor> kept = c.experts(Part.EXPERT_DOWN, 1);
      assertEquals(TinyModel.E, kept.size());
      assertEquals(DOWN.formatted(1) + ".weight", c.expertNames(Part.EXPERT_DOWN, 1).get(1));
      assertEquals(
          TinyModel.E * new Encoding.MXFP4().byteSize(TinyModel.H, TinyModel.F),
          c.derivedBytes() - withoutPairs());
      float[] first = Dequantizer.all(kept.get(0));
      invert(folder.resolve("model.safetensors"), pairs.codes);
      assertArrayEquals(pairs.values(), first);
      assertArrayEquals(pairs.values(), Dequantizer.all(kept.get(0)), "made once");
      assertArrayEquals(pairs.inverted(), Dequantizer.all(kept.get(1)), "made now");
      List<HostTensor> own = c.experts(Part.EXPERT_DOWN, 1, arena);
      assertArrayEquals(pairs.inverted(), Dequantizer.all(own.get(0)), "made anew for its owner");
    }
  }

  /** What the same model takes whose experts lie as they are wanted. */
  private long withoutPairs() {
    Path plain = folder.resolve("plain");
    try (Checkpoint c =
        Checkpoints.open(
            TinyModel.folder(plain, TinyModel.V3.config(), TinyModel.V3.safetensors("F32"), 1))) {
      return c.derivedBytes();
    }
  }

  /** Turns all bits of {@code codes} wherever the file has them. */
  private static void invert(Path file, byte[] codes) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int found = 0;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (int at = 0; at + codes.length <= bytes.length; at++) {
        if (Arrays.equals(bytes, at, at + codes.length, codes, 0, codes.length)) {
          channel.write(ByteBuffer.wrap(Pairs.turned(codes)), at);
          found++;
        }
      }
    }
    assertEquals(TinyModel.E, found);
  }

  /** Random codes and powers of a matrix. */
  private static final class Pairs {
    final byte[] codes;
    final byte[] powers;
    private final int rows;
    private final int cols;

    Pairs(int rows, int cols) {
      assertEquals(0, cols % 32, "whole groups of 32");
      this.rows = rows;
      this.cols = cols;
      Random random = new Random(1);
      codes = new byte[rows * cols / 2];
      powers = new byte[rows * cols / 32];
      random.nextBytes(codes);
      for (int i = 0; i < powers.length; i++) {
        powers[i] = (byte) (110 + random.nextInt(17));
      }
    }

    SafetensorsWriter asDown(SafetensorsWriter w) {
      for (int e = 0; e < TinyModel.E; e++) {
        w.tensors.remove(DOWN.formatted(e) + ".weight");
        w.tensor(DOWN.formatted(e) + ".weight", "I8", codes, (long) rows, cols / 2L);
        w.tensor(DOWN.formatted(e) + ".scale", "F8_E8M0", powers, (long) rows, cols / 32L);
      }
      return w;
    }

    float[] values() {
      return values(codes);
    }

    float[] inverted() {
      return values(turned(codes));
    }

    static byte[] turned(byte[] codes) {
      byte[] out = codes.clone();
      for (int i = 0; i < out.length; i++) {
        out[i] = (byte) ~out[i];
      }
      return out;
    }

    private float[] values(byte[] from) {
      float[] want = new float[rows * cols];
      for (int i = 0; i < want.length; i++) {
        int code = from[i / 2] >> 4 * (i % 2) & 15;
        want[i] = e2m1(code) * Math.scalb(1f, powers[i / 32] - 127) + 0f; // −0 is not kept
      }
      return want;
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
