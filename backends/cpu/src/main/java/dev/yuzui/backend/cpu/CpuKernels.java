package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;

/**
 * The inner loops, on addresses (see {@link Memory}): one thread, no allocation, no checks.
 * Everything is F32 but weights and cache entries. Strides and offsets are in bytes.
 */
interface CpuKernels extends RowKernels {
  /** Bytes that {@link #products} needs besides its arguments. */
  long TEMPORARY = 1024;

  /** What runs, for people. */
  String description();

  // ---- weights ----------------------------------------------------------------------------------

  /** Vectors up to which {@link #matvec} for each beats decoding the weight once for all. */
  int few(Encoding encoding);

  /**
   * Bytes that {@link #matvec} and {@link #decode} of so many columns need at {@code temporary}.
   */
  long temporaryBytes(int cols);

  /**
   * What {@link #matvec} wants to know of x beforehand, such as sums of neighbours for formats with
   * minima: at most a float for each eight elements.
   */
  void prepare(Encoding encoding, long x, int cols, long prepared);

  /** out[r − from] = w[r]·x for from ≤ r < to. */
  void matvec(Matrix w, int from, int to, long x, long prepared, long temporary, long out);

  /** out[c] = w[row, from + c] for c < count; both whole blocks. */
  void decode(Matrix w, int row, int from, int count, long temporary, long out);

  /** The inverse of {@link #decode} for the encodings of a KV cache: {@code Quantizer}'s. */
  void encode(Encoding encoding, long x, int count, long out);

  // ---- products of F32 --------------------------------------------------------------------------

  /**
   * out[i][r] = Σk a[r,k]·x[i][k], added to what is there if {@code add}, for r < rows, i < n.
   *
   * @param x addresses, to each of which xOffset is added; likewise {@code out}
   * @param temporary {@link #TEMPORARY} bytes
   */
  void products(
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
      long temporary);

  /** out[i] += Σj p[i,j]·b[j] for i < rows, j < inner; b and out have {@code cols} elements. */
  void weightedSum(
      long p,
      long pStride,
      int rows,
      long b,
      long bStride,
      int inner,
      int cols,
      long out,
      long outStride);

  // ---- rows -------------------------------------------------------------------------------------

  /** x = x · by. */
  void scale(long x, float by, int count);

  float max(long x, int count);

  /** x = e^(x·scale − shift); answers the sum. Arguments of e are at most 0. */
  float expSum(long x, float scale, float shift, int count);
}
