package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import dev.yuzui.ptx.machine.Launch;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A product of rows of x with matrices, dense or grouped by expert, as the product kernels take it:
 * x [rows, heads, k] and out [rows, heads, n] with gaps between heads and before the first number.
 *
 * @param n rows of a matrix a head
 * @param byToken whether places read their token's row, else their own
 */
record Product(
    WeightFormat format,
    int tokens,
    int n,
    int k,
    int heads,
    int xOffset,
    Optional<Groups> groups,
    boolean byToken,
    float[] x,
    List<Matrix> matrices) {

  private static final int OUT_OFFSET = 3;

  /**
   * @param matrices of them, or of pairs: two where the product is gated
   */
  static Product dense(
      WeightFormat format, int tokens, int n, int k, int heads, int xOffset, int matrices) {
    Numbers numbers = new Numbers(31L * n + k + tokens);
    float[] x = numbers.normal(tokens * heads * (k + 8), 1);
    List<Matrix> all =
        IntStream.range(0, matrices)
            .mapToObj(_ -> Matrix.random(format, heads * n, k, numbers.random()))
            .toList();
    return new Product(format, tokens, n, k, heads, xOffset, Optional.empty(), true, x, all);
  }

  static Product grouped(
      WeightFormat format, Groups g, int n, int k, boolean byToken, int matrices) {
    Numbers numbers = new Numbers(37L * n + k);
    int rows = byToken ? g.tokens() : g.tokens() * g.used();
    float[] x = numbers.normal(rows * (k + 8), 1);
    List<Matrix> all =
        IntStream.range(0, matrices * g.experts())
            .mapToObj(_ -> Matrix.random(format, n, k, numbers.random()))
            .toList();
    return new Product(format, g.tokens(), n, k, 1, 0, Optional.of(g), byToken, x, all);
  }

  int xHeadStride() {
    return k + 8;
  }

  int xStride() {
    return heads * xHeadStride();
  }

  private int outHeadStride() {
    return n + 5;
  }

  int outStride() {
    return heads * outHeadStride();
  }

  /** Rows that come out. */
  int rows() {
    return groups.map(g -> g.tokens() * g.used()).orElse(tokens);
  }

  /** Tiles of up to {@code size} rows, each of one matrix. */
  int tiles(int size) {
    return groups.map(g -> g.tiles(size)).orElse(Math.ceilDiv(tokens, size));
  }

  int xRows() {
    return x.length / xStride();
  }

  GlobalBuffer output(Device device) {
    return device.memory().output("out", 4L * rows() * outStride());
  }

  /** Two bytes a number, which are at the same places. */
  GlobalBuffer halfOutput(Device device) {
    return device.memory().output("out", 2L * rows() * outStride());
  }

  GlobalBuffer xOnDevice(Device device) {
    return device.memory().floats("x", Role.INPUT, x);
  }

  /** w, or the table of the experts' matrices; of the gate or, where {@code second}, of up. */
  private GlobalBuffer weights(Device device, boolean second) {
    if (groups.isEmpty()) {
      return matrices.get(second ? 1 : 0).onDevice(device);
    }
    int experts = groups.get().experts();
    long[] table =
        IntStream.range(0, experts)
            .mapToLong(e -> matrices.get(second ? experts + e : e).onDevice(device).address())
            .toArray();
    return device.memory().longs("table", Role.CONSTANT, table);
  }

  private boolean gated() {
    return matrices.size() == 2 * groups.map(Groups::experts).orElse(1);
  }

  /** w and table; with {@code pairs} w, w2, table, table2. */
  Launch putWeights(Launch launch, Device device, boolean pairs) {
    if (!pairs) {
      GlobalBuffer w = weights(device, false);
      return groups.isEmpty() ? launch.p(w).none() : launch.none().p(w);
    }
    if (groups.isPresent()) {
      launch.none().none();
    }
    launch.p(weights(device, false));
    if (gated()) {
      launch.p(weights(device, true));
    } else {
      launch.none();
    }
    return groups.isPresent() ? launch : launch.none().none();
  }

  Launch putX(Launch launch, GlobalBuffer on) {
    return launch.p(on).i(xStride(), xHeadStride(), xOffset);
  }

  /** Strides of out, T, n, k, heads. */
  Launch putShape(Launch launch) {
    return launch.i(outStride(), outHeadStride(), OUT_OFFSET, tokens, n, k, heads);
  }

  Launch putGroups(Launch launch, Device device) {
    if (groups.isEmpty()) {
      return launch.none().none().i(1, 0, 0);
    }
    Groups g = groups.get();
    return launch.p(g.offset(device)).p(g.slot(device)).i(g.used(), byToken ? 0 : 1, g.experts());
  }

  /**
   * @param error of a product of vectors, as a part of |x|·max|w|·√k
   */
  void check(GlobalBuffer out, boolean half, double error) {
    int count = groups.map(Groups::places).orElse(tokens);
    for (int row = 0; row < count; row++) {
      for (int h = 0; h < heads; h++) {
        int first = source(row) * xStride() + h * xHeadStride() + xOffset;
        double norm = norm(first);
        for (int i = 0; i < n; i++) {
          int at = row * outStride() + h * outHeadStride() + OUT_OFFSET + i;
          double got = half ? out.f16(at) : out.f32(at);
          double want = want(row, h * n + i, first);
          double allowed = error * norm * largest(row, h * n + i);
          if (gated()) {
            allowed *= 1 + norm * largest(row, h * n + i);
          }
          allowed += half ? Math.abs(want) * 0x1p-10 : 0;
          Numbers.close("row " + row + ", head " + h + ", out", i, got, want, allowed);
        }
      }
    }
  }

  private int source(int row) {
    return groups.map(g -> g.row(row, byToken)).orElse(row);
  }

  private Matrix matrix(int row, boolean second) {
    int e = groups.map(g -> g.expert(row)).orElse(0);
    return matrices.get(second ? groups.map(Groups::experts).orElse(1) + e : e);
  }

  private double want(int row, int i, int first) {
    double y = matrix(row, false).dot(i, x, first);
    return gated() ? Numbers.silu(y) * matrix(row, true).dot(i, x, first) : y;
  }

  private double largest(int row, int i) {
    double most = 0;
    for (boolean second : new boolean[] {false, gated()}) {
      for (double w : matrix(row, second).w()[i]) {
        most = Math.max(most, Math.abs(w));
      }
    }
    return most;
  }

  private double norm(int first) {
    double sum = 0;
    for (int j = 0; j < k; j++) {
      sum += (double) x[first + j] * x[first + j];
    }
    return Math.sqrt(sum);
  }
}
