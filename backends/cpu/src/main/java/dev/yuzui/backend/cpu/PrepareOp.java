package dev.yuzui.backend.cpu;

/** Makes rows of activations ready for products of strips, each once for all chunks of those. */
final class PrepareOp extends RowsOp {
  private final StripKernels kernels;
  private final Source from;
  private final Prepared to;

  /**
   * Rows of {@code cols} elements; row i = t·heads + h begins at address + t·stride + h·headStride.
   */
  record Source(long address, long stride, int heads, long headStride, int cols) {
    long at(int i) {
      return address + i / heads * stride + i % heads * headStride;
    }
  }

  /** Where prepared rows lie. */
  record Prepared(StripType type, long address, long rowBytes) {
    long row(int i) {
      return address + i * rowBytes;
    }
  }

  PrepareOp(StripKernels kernels, Source from, int count, Prepared to) {
    super(count, 4L * from.cols());
    this.kernels = kernels;
    this.from = from;
    this.to = to;
  }

  @Override
  void rows(int first, int last, Lane lane) {
    kernels.prepare(from, first, last, to);
  }
}
