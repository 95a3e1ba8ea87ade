package dev.yuzui.kit;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.ObjIntConsumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/** Tokens and the experts they choose, on a device that has all experts of a layer or a few. */
public final class Choices {
  private Choices() {}

  /** Who chooses whom: tokens, experts, used, padding rows, and a shape. */
  public static Stream<Arguments> all() {
    return Stream.of(
        Arguments.of(1, 1, 1, 0, "spread"),
        Arguments.of(1, 64, 6, 0, "spread"),
        Arguments.of(5, 8, 2, 2, "spread"),
        Arguments.of(7, 4, 3, 0, "first"),
        Arguments.of(6, 9, 1, 1, "last"),
        Arguments.of(33, 16, 4, 3, "half"),
        Arguments.of(64, 6, 2, 0, "spread"),
        Arguments.of(3, 256, 8, 0, "spread"),
        Arguments.of(180, 5, 3, 7, "spread"),
        Arguments.of(4, 3, 2, 4, "spread"),
        // a device with some of a layer's experts: most slots are of experts elsewhere
        Arguments.of(1, 1, 6, 0, "elsewhere"),
        Arguments.of(9, 2, 6, 0, "elsewhere"),
        Arguments.of(21, 3, 8, 2, "elsewhere"),
        Arguments.of(65, 1, 8, 0, "elsewhere"),
        Arguments.of(104, 2, 5, 0, "elsewhere"),
        Arguments.of(70, 4, 8, 70, "elsewhere"),
        Arguments.of(66, 3, 8, 0, "one"));
  }

  /**
   * Ids [T, K] of different experts per token, −1 in padding rows. Shape "one": all choose the last
   * expert and nobody else; "elsewhere": as many others are held by other devices.
   */
  static Values ids(int tokens, int experts, int used, int padding, String shape) {
    return new Values(
        tokens,
        used,
        variant -> {
          Random random = new Random(31L * tokens + variant);
          float[] ids = new float[tokens * used];
          for (int t = 0; t < tokens; t++) {
            List<Integer> order = new ArrayList<>(IntStream.range(0, experts).boxed().toList());
            switch (shape) {
              case "elsewhere" -> {
                order.addAll(Collections.nCopies(Math.max(experts, used), -1));
                Collections.shuffle(order, random);
              }
              case "one" -> {
                order = new ArrayList<>(Collections.nCopies(used, -1));
                order.set(random.nextInt(used), experts - 1);
              }
              case "first" -> {}
              case "last" -> Collections.reverse(order);
              case "half" -> Collections.shuffle(order.subList(0, experts / 2), random);
              case "spread" -> Collections.shuffle(order, random);
              default -> throw new IllegalArgumentException("no choices are " + shape);
            }
            for (int k = 0; k < used; k++) {
              ids[t * used + k] = t < tokens - padding ? order.get(k) : -1;
            }
          }
          return ids;
        });
  }

  /** {@code weights} [T, K], NaN where there is no expert: they may be anything. */
  static Values nanWithoutExpert(Values chosen, Values weights) {
    return changed(
        weights,
        (x, variant) -> {
          float[] ids = chosen.of(variant);
          for (int slot = 0; slot < ids.length; slot++) {
            x[slot] = ids[slot] < 0 ? Float.NaN : x[slot];
          }
        });
  }

  /** {@code x} [T, H], NaN in rows of tokens without any expert: they may be anything. */
  static Values nanWithoutExperts(Values chosen, Values x) {
    return changed(
        x,
        (rows, variant) -> {
          float[] ids = chosen.of(variant);
          for (int t = 0; t < x.rows(); t++) {
            int first = t * chosen.cols();
            if (IntStream.range(first, first + chosen.cols()).allMatch(slot -> ids[slot] < 0)) {
              Arrays.fill(rows, t * x.cols(), (t + 1) * x.cols(), Float.NaN);
            }
          }
        });
  }

  private static Values changed(Values values, ObjIntConsumer<float[]> change) {
    return new Values(
        values.rows(),
        values.cols(),
        variant -> {
          float[] x = values.of(variant);
          change.accept(x, variant);
          return x;
        });
  }
}
