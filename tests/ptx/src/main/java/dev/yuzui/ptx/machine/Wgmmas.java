package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Iterator;
import java.util.List;

/**
 * The wgmmas of a warp: its quarter of each, 16 rows. They are done as late as they may be, at the
 * wait for their group, of the registers and the memory as those are then; until then NaN is in the
 * accumulators. A warp notes what it does, and at the end the four of a warpgroup must have done
 * the same.
 */
final class Wgmmas {
  private static final int ROWS = 16;
  private static final int INNER = 16;
  private static final int WARPS = 4;
  private static final int POISON = 0xffffbad3;

  /** Words of an SM's register file. */
  private static final int REGISTERS = 64 << 10;

  @FunctionalInterface
  interface Halves {
    float of(int bits);
  }

  /** The numbers of accumulators whose registers hold NaN meanwhile. */
  private static final class Sums {
    private final int[] d;
    private final float[] values;
    private int underWay;

    Sums(int[] d, float[] values) {
      this.d = d;
      this.values = values;
    }
  }

  /**
   * @param a registers of A, as words
   * @param rows where the rows of B lie, 16 bytes each, the first halves and then the second
   */
  private record Product(Sums sums, int[] a, int[] rows, Halves value, int group, int step) {}

  private final Warp warp;
  private final List<Product> products = new ArrayList<>();

  /** Words that a product under way may use. */
  private final BitSet used = new BitSet();

  /** Words that something else has used since the last wgmma.fence. */
  private final BitSet unfenced = new BitSet();

  private int group;
  private int registers;
  private long history;

  Wgmmas(Warp warp) {
    this.warp = warp;
  }

  void clear() {
    products.clear();
    used.clear();
    unfenced.set(0, warp.r.length / LANES);
    group = 0;
    registers = 0;
    history = 0;
  }

  /** An instruction that is no wgmma names {@code words}. */
  void touches(int[] words) {
    for (int word : words) {
      unfenced.set(word);
      if (used.get(word)) {
        warp.hazard(
            Hazard.Kind.REGISTER_OF_PRODUCT, () -> "a wgmma that uses a register is under way");
      }
    }
  }

  private void note(long what) {
    history = 31 * history + what + 1;
  }

  void fence() {
    note(warp.pc);
    unfenced.clear();
  }

  /** All lanes may use {@code count} registers from here on. */
  void registers(int count) {
    note(warp.pc);
    registers = count;
  }

  void commit() {
    note(warp.pc);
    group++;
  }

  /**
   * @param d accumulators, a the fragment of A, as places among the words
   */
  void begin(int[] d, int[] a, SharedMatrix matrix, Halves value) {
    note(warp.pc);
    note(matrix.descriptor());
    Asynchrony asynchrony = warp.block.asynchrony();
    Sums sums = sums(d);
    fenced(a, "A");
    int party = asynchrony.clocks.productsOf(warp);
    int step = asynchrony.clocks.tick(party);
    int[] known = asynchrony.clocks.knownToAll(warp);
    int[] shown = asynchrony.clocks.shownToAll(warp);
    int[] rows = matrix.rows(warp, d.length / 4 * 8);
    for (int at : rows) {
      asynchrony.trace.product(at, SharedMatrix.PIECE, warp, step, known, shown);
    }
    sums.underWay++;
    products.add(new Product(sums, a, rows, value, group, step));
    use();
  }

  private Sums sums(int[] d) {
    for (Product p : products) {
      if (Arrays.equals(p.sums().d, d)) {
        return p.sums();
      }
    }
    fenced(d, "D");
    float[] values = new float[LANES * d.length];
    for (int n = 0; n < d.length; n++) {
      for (int lane = 0; lane < LANES; lane++) {
        values[n * LANES + lane] = Float.intBitsToFloat(warp.r[d[n] + lane]);
        warp.r[d[n] + lane] = POISON;
      }
    }
    return new Sums(d, values);
  }

  private void fenced(int[] words, String what) {
    for (int word : words) {
      if (used.get(word / LANES) || unfenced.get(word / LANES)) {
        warp.hazard(
            Hazard.Kind.REGISTER_OF_PRODUCT, () -> "no wgmma.fence since a register of " + what);
        return;
      }
    }
  }

  private void use() {
    used.clear();
    for (Product p : products) {
      for (int word : p.a()) {
        used.set(word / LANES);
      }
      for (int word : p.sums().d) {
        used.set(word / LANES);
      }
    }
  }

  /** All groups but the last {@code pending} that were committed are done. */
  void waitFor(int pending) {
    note(warp.pc);
    ThreadClocks clocks = warp.block.asynchrony().clocks;
    int party = clocks.productsOf(warp);
    Iterator<Product> all = products.iterator();
    while (all.hasNext()) {
      Product p = all.next();
      if (p.group() < group - pending) {
        multiply(p);
        for (int lane = 0; lane < LANES; lane++) {
          clocks.learns(warp.index * LANES + lane, party, p.step());
        }
        all.remove();
      }
    }
    use();
  }

  /**
   * Of the lane with g = lane / 4 and c = lane % 4, register n of A holds row g + 8·(n % 2),
   * columns 2c + 8·(n / 2) and the next; number n of D row g + 8·(n / 2 % 2), column 8·(n / 4) + 2c
   * + n % 2. Sums are taken in double and rounded once.
   */
  private void multiply(Product p) {
    double[] left = new double[ROWS * INNER];
    for (int l = 0; l < LANES; l++) {
      for (int n = 0; n < 4; n++) {
        int at = (l / 4 + n % 2 * 8) * INNER + l % 4 * 2 + n / 2 * 8;
        int bits = warp.r[p.a()[n] + l];
        left[at] = p.value().of(bits & 0xffff);
        left[at + 1] = p.value().of(bits >>> 16);
      }
    }
    int columns = p.rows().length / 2;
    double[] right = new double[columns * INNER];
    for (int column = 0; column < columns; column++) {
      for (int k = 0; k < INNER; k++) {
        int at = p.rows()[k < INNER / 2 ? column : columns + column] + k % (INNER / 2) * 2;
        byte[] shared = warp.block.shared;
        right[column * INNER + k] = p.value().of(shared[at] & 0xff | (shared[at + 1] & 0xff) << 8);
      }
    }
    float[] sums = p.sums().values;
    for (int i = 0; i < sums.length; i++) {
      int n = i / LANES;
      int lane = i % LANES;
      int row = (lane / 4 + n / 2 % 2 * 8) * INNER;
      int column = (n / 4 * 8 + lane % 4 * 2 + n % 2) * INNER;
      double sum = sums[i];
      for (int k = 0; k < INNER; k++) {
        sum += left[row + k] * right[column + k];
      }
      sums[i] = (float) sum;
    }
    if (--p.sums().underWay == 0) {
      int[] d = p.sums().d;
      for (int i = 0; i < sums.length; i++) {
        warp.r[d[i / LANES] + i % LANES] = Float.floatToRawIntBits(sums[i]);
      }
    }
  }

  /** What must hold when a block ends. */
  static void end(List<Warp> warps) {
    int words = 0;
    for (Warp w : warps) {
      if (!w.wgmmas.products.isEmpty()) {
        w.hazard(Hazard.Kind.PRODUCT_IN_FLIGHT, () -> "the block ends before its wgmmas do");
      }
      Warp first = warps.get(w.index / WARPS * WARPS);
      if (w.wgmmas.history != first.wgmmas.history) {
        throw w.fault("its warpgroup's warps have not done the same wgmmas");
      }
      int most = REGISTERS / (warps.size() * LANES) / 8 * 8;
      words += LANES * (w.wgmmas.registers > 0 ? w.wgmmas.registers : most);
    }
    if (words > REGISTERS) {
      throw warps.getFirst().fault("the warps take " + words + " registers together");
    }
  }
}
