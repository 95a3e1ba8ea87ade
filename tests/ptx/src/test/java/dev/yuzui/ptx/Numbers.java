package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.fail;

import dev.yuzui.ptx.machine.GlobalBuffer;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntUnaryOperator;

/** Random inputs, and comparison with results in double. */
final class Numbers {
  private final Random random;

  Numbers(long seed) {
    random = new Random(seed);
  }

  Random random() {
    return random;
  }

  /** Of a normal distribution. */
  float[] normal(int count, double deviation) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (random.nextGaussian() * deviation);
    }
    return values;
  }

  static int[] ints(int count, IntUnaryOperator value) {
    int[] values = new int[count];
    for (int i = 0; i < count; i++) {
      values[i] = value.applyAsInt(i);
    }
    return values;
  }

  /**
   * @param want number i
   * @param allowed how far number i may be from it
   */
  static void assertClose(
      GlobalBuffer got, int count, IntToDoubleFunction want, IntToDoubleFunction allowed) {
    for (int i = 0; i < count; i++) {
      close(got.toString(), i, got.f32(i), want.applyAsDouble(i), allowed.applyAsDouble(i));
    }
  }

  /** Fails for NaN, too, which is what was not written. */
  static void close(String what, int at, double got, double want, double allowed) {
    boolean same = got == want || Math.abs(got - want) <= allowed;
    if (!same) {
      fail("%s: number %d is %g, in double %g ± %g".formatted(what, at, got, want, allowed));
    }
  }

  static double silu(double v) {
    return v / (1 + Math.exp(-v));
  }

  static int ceilDiv(int a, int b) {
    return Math.ceilDiv(a, b);
  }
}
