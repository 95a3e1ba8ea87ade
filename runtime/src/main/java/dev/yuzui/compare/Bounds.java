package dev.yuzui.compare;

import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Scalar;
import java.util.List;

/**
 * What a part may be off by, relative to its norm, when it is given the very numbers that the other
 * backend's is given. A backend may sum in F32 in any order, multiply other weights than F32 by
 * activations of sixteen bits, and those of block formats by activations of eight bits: of a block
 * of 256 these cost at most √256 / (127·√12) = 3.6 % of its norm, where all of it is in one number,
 * and less than 1 % usually. A wrong index, scale or bit plane costs some ten per cent at least.
 *
 * <table>
 * <caption>Bounds</caption>
 * <tr><th>the part's weights</th><th>bound</th></tr>
 * <tr><td>none, or F32</td><td>1e-4</td></tr>
 * <tr><td>BF16, F16, FP8</td><td>4e-3</td></tr>
 * <tr><td>block formats</td><td>5e-2</td></tr>
 * <tr><td>embeddings of other types than F32, which may be kept as F16</td><td>1e-3</td></tr>
 * </table>
 *
 * <p>What attention looks up is as exact as the cache besides, in which two numbers may be rounded
 * apart: F16 2e-3, BF16 and Q8_0 1e-2, FP8 6e-2. Of entries that sparse attention chooses any may
 * be others whose scores keys that are off by so much explain. Of the choices of experts 2 % may be
 * others, one in any case, for experts that are nearly tied.
 */
final class Bounds {
  static final double F32 = 1e-4;
  static final double HALVES = 4e-3;
  static final double BLOCKS = 5e-2;
  private static final double TABLE = 1e-3;
  private static final double CHOICES = 0.02;

  private Bounds() {}

  /**
   * @param choices of experts that were compared
   */
  static double of(Point point, List<Weighed> weights, Encoding cache, long choices) {
    double product = weights.stream().mapToDouble(w -> product(w.encoding())).max().orElse(F32);
    return switch (point) {
      case EMBEDDING -> Math.min(product, TABLE);
      case ATTN_NORM, FFN_NORM, FINAL_NORM -> F32;
      case HEADS -> Math.max(product, cache(cache));
      case CHOSEN_ENTRIES -> cache(cache);
      case EXPERT_IDS -> Math.max(CHOICES, 1.0 / Math.max(1, choices));
      default -> product;
    };
  }

  private static double product(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Block _ -> BLOCKS;
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.F32 -> F32;
      default -> HALVES;
    };
  }

  private static double cache(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain(Scalar scalar) ->
          switch (scalar) {
            case F32 -> F32;
            case F16 -> 2e-3;
            case BF16 -> 1e-2;
            default -> 6e-2;
          };
      default -> 1e-2;
    };
  }
}
