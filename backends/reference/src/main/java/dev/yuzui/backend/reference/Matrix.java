package dev.yuzui.backend.reference;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A tensor's numbers, looked up when the op runs. */
final class Matrix {
  private final HostTensor host;
  private final int cols;

  private Matrix(HostTensor host) {
    this.host = host;
    this.cols = Math.toIntExact(host.cols());
  }

  static Matrix of(Tensor tensor) {
    return new Matrix(ReferenceBuffer.view(tensor));
  }

  int rows() {
    return Math.toIntExact(host.rows());
  }

  int cols() {
    return cols;
  }

  /** A copy of row {@code r}, decoded. */
  float[] row(int r) {
    if (r < 0 || r >= host.rows()) {
      throw new IndexOutOfBoundsException("row " + r + " of " + host);
    }
    float[] row = new float[cols];
    if (host.encoding().equals(Encoding.F32)) {
      MemorySegment.copy(host.data(), ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * at(r, 0), row, 0, cols);
    } else {
      Dequantizer.row(host, r, row, 0);
    }
    return row;
  }

  /** Rounds {@code values} into row {@code r} of an F32 matrix. */
  void set(int r, double[] values) {
    set(r, 0, values);
  }

  /** Rounds {@code values} into row {@code r} of an F32 matrix, from column {@code from} on. */
  void set(int r, int from, double[] values) {
    for (int c = 0; c < values.length; c++) {
      host.data().setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, at(r, from + c), (float) values[c]);
    }
  }

  /** An element of an I32 matrix. */
  int integer(int r, int c) {
    return host.data().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, at(r, c));
  }

  void setInteger(int r, int c, int value) {
    host.data().setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, at(r, c), value);
  }

  private long at(int r, int c) {
    return (long) r * cols + c;
  }

  /** The bytes, for what is stored encoded. */
  MemorySegment data() {
    return host.data();
  }

  /** Σ a[aFrom + i]·b[bFrom + i] for i < count. */
  static double dot(float[] a, int aFrom, float[] b, int bFrom, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (double) a[aFrom + i] * b[bFrom + i];
    }
    return sum;
  }
}
