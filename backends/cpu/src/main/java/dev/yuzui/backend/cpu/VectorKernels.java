package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import jdk.incubator.vector.FloatVector;

/**
 * Kernels on jdk.incubator.vector. Each loop is one method, and the larger ones are called through
 * {@link Opaque} handles, for vectors that cross a call which is not inlined are boxed.
 */
final class VectorKernels implements CpuKernels {
  /** Measured: decoding a row into a panel costs about as much as multiplying it four times. */
  private static final int FEW = 4;

  /** Rows whose scales and partial sums stay in the L1 cache until they are used. */
  private static final int GROUP = 4;

  private final Map<Encoding, RowKernel> kernels = RowKernel.all();
  private final VectorProducts products = new VectorProducts();
  private final MethodHandle e4m3 = Opaque.method(PlainDecode.class, "e4m3");
  private final MethodHandle sumRows = Opaque.method(VectorRows.class, "sumRows");
  private final MethodHandle rmsNorm = Opaque.method(VectorRows.class, "rmsNorm");
  private final MethodHandle siluMul = Opaque.method(VectorRows.class, "siluMul");
  private final MethodHandle expSum = Opaque.method(VectorRows.class, "expSum");

  /** Floats in a vector of this processor. */
  static int lanes() {
    return FloatVector.SPECIES_PREFERRED.length();
  }

  @Override
  public String description() {
    return 32 * lanes() + "-bit vector kernels";
  }

  @Override
  public int few(Encoding encoding) {
    if (encoding.equals(Encoding.F32)) {
      return 0; // nothing to decode, and a row's result stays the same whatever is beside it
    }
    boolean anyLength = encoding instanceof Encoding.Plain || encoding instanceof Encoding.Fp8Tiled;
    return anyLength || lanes() == 16 ? FEW : 0;
  }

  @Override
  public long temporaryBytes(int cols) {
    return GROUP * (64 + SuperBlocks.rowBytes(cols));
  }

  @Override
  public void prepare(Encoding encoding, long x, int cols, long prepared) {
    switch (encoding) {
      case Encoding.Q4_1 _, Encoding.Q5_1 _ -> VectorRows.sums(x, cols, 32, prepared);
      case Encoding.Q4_K _, Encoding.Q5_K _ -> VectorRows.upperSums(x, cols, prepared);
      case Encoding.Q2_K _, Encoding.Q3_K _, Encoding.Q6_K _ ->
          VectorRows.sums(x, cols, 16, prepared);
      default -> {}
    }
  }

  @Override
  public void matvec(Matrix w, int from, int to, long x, long prepared, long temporary, long out) {
    long unpacked = temporary + 64 * GROUP;
    try {
      for (int r = from; r < to; r += GROUP) {
        int rows = Math.min(GROUP, to - r);
        if (w.encoding() instanceof Encoding.Fp8Tiled(int tile)) {
          for (int i = r; i < r + rows; i++) {
            long partial = temporary + 64L * (i - r);
            PlainMatvec.fp8(w.row(i), w.scaleRow(i, tile), tile, w.cols(), x, partial);
          }
        } else {
          kernels.get(w.encoding()).products(w, r, rows, x, prepared, unpacked, temporary);
        }
        sumRows.invokeExact(temporary, rows, out + 4L * (r - from));
      }
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void decode(Matrix w, int row, int from, int count, long temporary, long out) {
    long at = w.row(row) + w.encoding().rowBytes(from);
    if (w.encoding() instanceof Encoding.Fp8Tiled(int tile)) {
      PlainDecode.fp8(at, w.scaleRow(row, tile), tile, from, count, out);
      return;
    }
    try {
      if (w.encoding().equals(Encoding.E4M3)) { // of a cache, never of a weight
        e4m3.invokeExact(at, count, out);
        return;
      }
      long bytes = w.encoding().rowBytes(count);
      kernels.get(w.encoding()).decode(at, bytes, count, temporary, out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void encode(Encoding encoding, long x, int count, long out) {
    EntryEncoder.encode(encoding, x, count, out);
  }

  @Override
  public void products(
      long a,
      long aStride,
      int rows,
      long[] x,
      long xOffset,
      int n,
      int k,
      long[] out,
      long outOffset,
      boolean add,
      long temporary) {
    products.products(a, aStride, rows, x, xOffset, n, k, out, outOffset, add, temporary);
  }

  @Override
  public void weightedSum(
      long p,
      long pStride,
      int rows,
      long b,
      long bStride,
      int inner,
      int cols,
      long out,
      long outStride) {
    products.weightedSum(p, pStride, rows, b, bStride, inner, cols, out, outStride);
  }

  @Override
  public void rmsNorm(long x, long weight, float eps, int count, long out) {
    try {
      rmsNorm.invokeExact(x, weight, eps, count, out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void zero(long x, int count) {
    VectorRows.zero(x, count);
  }

  @Override
  public void add(long a, long b, long out, int count) {
    VectorRows.add(a, b, out, count);
  }

  @Override
  public void siluMul(long gate, long up, long out, int count) {
    try {
      siluMul.invokeExact(gate, up, out, count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void scale(long x, float by, int count) {
    VectorRows.scale(x, by, count);
  }

  @Override
  public void addScaled(long x, float by, long out, int count) {
    VectorRows.addScaled(x, by, out, count);
  }

  @Override
  public float max(long x, int count) {
    return VectorRows.max(x, count);
  }

  @Override
  public float expSum(long x, float scale, float shift, int count) {
    try {
      return (float) expSum.invokeExact(x, scale, shift, count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }
}
