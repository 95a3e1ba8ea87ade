package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;

/**
 * A weight by address.
 *
 * @param scales address of the F32 scales of {@link Encoding.Fp8Tiled}, else 0
 */
record Matrix(Encoding encoding, long data, long scales, int rows, int cols, long rowBytes) {

  static Matrix of(Tensor t) {
    return new Matrix(
        t.encoding(),
        HostBuffer.address(t),
        HostBuffer.scaleAddress(t),
        Math.toIntExact(t.rows()),
        Math.toIntExact(t.cols()),
        t.encoding().rowBytes(t.cols()));
  }

  long row(int r) {
    return data + r * rowBytes;
  }

  /** Address of the scales of row {@code r}. */
  long scaleRow(int r, int tile) {
    return scales + 4L * (r / tile) * Math.ceilDiv(cols, tile);
  }

  /** Columns from ≤ c < from + count of a row, by plain loops. */
  void decode(int row, int from, int count, float[] out) {
    if (encoding instanceof Encoding.Fp8Tiled(int tile)) {
      for (int c = 0; c < count; c++) {
        float scale = Memory.f32(scaleRow(row, tile) + 4L * ((from + c) / tile));
        out[c] = Dequantizer.e4m3((byte) Memory.i8(row(row) + from + c)) * scale;
      }
    } else {
      Dequantizer.decode(encoding, Memory.ALL, row(row) + encoding.rowBytes(from), count, out, 0);
    }
  }
}
