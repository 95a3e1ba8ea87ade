package dev.yuzui.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Held against blocks that ggml's own quantisers made of the same numbers. */
class RowQuantizerTest {
  private static final int COLS = 256;

  private static byte[] golden(String name) {
    Path file = Path.of(System.getProperty("yuzui.root"), "tests/reference/quants/golden", name);
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static float[] source() {
    byte[] bytes = golden("C_QUANTIZE.src_1024.f32");
    float[] out = new float[bytes.length / 4];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(out);
    return out;
  }

  private static Encoding encoding(String label) {
    return Encoding.byLabel(label).orElseThrow();
  }

  private static byte[] encode(Encoding encoding, float[] x, float[] importance) {
    byte[] out = new byte[(int) encoding.byteSize(x.length / COLS, COLS)];
    RowQuantizer quantizer = RowQuantizer.of(encoding).orElseThrow();
    int bytes = (int) encoding.rowBytes(COLS);
    for (int r = 0; r < x.length / COLS; r++) {
      quantizer.row(x, r * COLS, COLS, importance, 0, out, r * bytes);
    }
    return out;
  }

  private static float[] decode(Encoding encoding, byte[] blocks) {
    float[] out = new float[blocks.length / encoding.blockBytes() * encoding.blockElements()];
    Dequantizer.decode(encoding, MemorySegment.ofArray(blocks), 0, out.length, out, 0);
    return out;
  }

  /** Root of the mean of squared errors of one row. */
  private static double error(float[] x, float[] y, int row, float[] weights) {
    double sum = 0;
    double of = 0;
    for (int i = 0; i < COLS; i++) {
      double off = x[row * COLS + i] - y[row * COLS + i];
      sum += weights[i] * off * off;
      of += weights[i];
    }
    return Math.sqrt(sum / of);
  }

  private static float[] ones() {
    float[] ones = new float[COLS];
    Arrays.fill(ones, 1);
    return ones;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS", "MXFP4"
      })
  void asNearToItsSourceAsGgmlsOwn(String label) {
    Encoding encoding = encoding(label);
    float[] x = source();
    float[] ours = decode(encoding, encode(encoding, x, RowQuantizer.NO_IMPORTANCE));
    float[] theirs = decode(encoding, golden(label + ".Cref_quantized.bin"));
    double squares = 0; // each row has a spread of its own, from 0.001 to 30
    for (int row = 0; row < x.length / COLS; row++) {
      squares += Math.pow(error(x, ours, row, ones()) / error(x, theirs, row, ones()), 2);
    }
    double ratio = Math.sqrt(squares / (x.length / COLS));
    assertTrue(ratio <= 1.02, label + " is " + ratio + " times as far from its source");
  }

  /** Where there is nothing to search for, the blocks are the same. */
  @ParameterizedTest
  @ValueSource(strings = {"Q4_0", "Q5_0", "Q8_0"})
  void blocksOfOneRoundingAreGgmlsToTheBit(String label) {
    Encoding encoding = encoding(label);
    assertArrayEquals(
        golden(label + ".Cref_quantized.bin"),
        encode(encoding, source(), RowQuantizer.NO_IMPORTANCE));
  }

  /** The error that the importance weighs is less with it than without. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"
      })
  void importanceMovesTheErrorAway(String label) {
    Encoding encoding = encoding(label);
    var random = new SplittableRandom(5);
    float[] x = new float[64 * COLS];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    float[] importance = new float[COLS];
    for (int i = 0; i < COLS; i++) {
      importance[i] = (float) Math.exp(2 * random.nextGaussian());
    }
    float[] plain = decode(encoding, encode(encoding, x, RowQuantizer.NO_IMPORTANCE));
    float[] weighed = decode(encoding, encode(encoding, x, importance));
    double before = 0;
    double after = 0;
    for (int row = 0; row < 64; row++) {
      before += error(x, plain, row, importance);
      after += error(x, weighed, row, importance);
    }
    assertTrue(after < before, label + ": " + after + " with importance, " + before + " without");
  }

  /** What MXFP4 holds exactly comes back exactly, wherever in its range the largest number lies. */
  @Test
  void mxfp4IsLosslessForItsOwnNumbers() {
    Encoding mxfp4 = encoding("MXFP4");
    float[] steps = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    for (int largest = 1; largest < steps.length; largest++) {
      float[] x = new float[COLS];
      for (int i = 0; i < COLS; i++) {
        x[i] = Math.scalb(steps[i % (largest + 1)], 3 * (i / 32) - 9) * (i % 3 == 0 ? -1 : 1);
      }
      float[] y = decode(mxfp4, encode(mxfp4, x, RowQuantizer.NO_IMPORTANCE));
      for (int i = 0; i < COLS; i++) {
        assertEquals(x[i] + 0f, y[i] + 0f, "number " + i + " with the largest " + steps[largest]);
      }
    }
  }

  /** Rows of zeros, of one number, and of numbers too small for F16 scales. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
        "IQ4_XS", "MXFP4"
      })
  void rowsWithNothingToSearch(String label) {
    Encoding encoding = encoding(label);
    for (float[] importance : new float[][] {RowQuantizer.NO_IMPORTANCE, ones(), new float[COLS]}) {
      for (float value : new float[] {0, 1, -1, 1e-9f, 1e-30f, Float.MIN_VALUE}) {
        float[] x = new float[COLS];
        Arrays.fill(x, value);
        float[] y = decode(encoding, encode(encoding, x, importance));
        boolean weighsNothing = importance.length > 0 && importance[0] == 0;
        for (float v : y) {
          assertTrue(Float.isFinite(v), label + " of " + value + " gives " + v);
          if (!weighsNothing) {
            assertEquals(value, v, 0.1f * Math.abs(value) + 1e-6f, label + " of " + value);
          }
        }
      }
    }
  }
}
