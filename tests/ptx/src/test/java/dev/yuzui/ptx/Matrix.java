package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalMemory;
import java.util.Arrays;
import java.util.Random;

/**
 * A matrix of random weights as a file has it, and its numbers in double.
 *
 * @param file rows of {@code format}
 * @param scales FP8's, of 128 × 128 weights each; empty for others
 */
record Matrix(WeightFormat format, int n, int k, byte[] file, float[] scales, double[][] w) {
  private static final int FP8_TILE = 128;
  private static final int ALIGN = 256;

  static Matrix random(WeightFormat format, int n, int k, Random random) {
    byte[] file = new byte[n * format.rowBytes(k)];
    double[][] w = new double[n][];
    int across = Math.ceilDiv(k, FP8_TILE);
    float[] scales = new float[format == WeightFormat.FP8 ? Math.ceilDiv(n, FP8_TILE) * across : 0];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (0.5f + random.nextFloat()) / 128;
    }
    for (int i = 0; i < n; i++) {
      byte[] row = format.randomRow(k, random);
      System.arraycopy(row, 0, file, i * row.length, row.length);
      w[i] = format.decode(row, k);
      for (int j = 0; j < k && scales.length > 0; j++) {
        w[i][j] *= scales[i / FP8_TILE * across + j / FP8_TILE];
      }
    }
    return new Matrix(format, n, k, file, scales, w);
  }

  /** The tiles, by the device's own repack kernel, then the scales where they belong. */
  byte[] tiles(Device device) {
    GlobalMemory memory = device.memory();
    GlobalBuffer rows = memory.put("rows of a file", GlobalBuffer.Role.CONSTANT, file);
    GlobalBuffer tiles = memory.output("tiles", format.tileBytes(n, k));
    device.run(
        device
            .launch(
                "repack_" + format.suffix(),
                Math.ceilDiv(k, format.tileColumns()),
                Math.ceilDiv(n, WeightFormat.STRIP),
                1,
                32,
                0)
            .p(rows)
            .p(tiles)
            .i(n, k));
    byte[] all =
        Arrays.copyOf(
            tiles.content(),
            scales.length == 0
                ? tiles.size()
                : Math.ceilDiv(tiles.size(), ALIGN) * ALIGN + 4 * scales.length);
    byte[] behind = GlobalMemory.bytes(scales);
    System.arraycopy(behind, 0, all, all.length - behind.length, behind.length);
    return all;
  }

  GlobalBuffer onDevice(Device device) {
    return device.memory().put(format + " tiles", GlobalBuffer.Role.CONSTANT, tiles(device));
  }

  /** Σ x[from + j]·w[row][j]. */
  double dot(int row, float[] x, int from) {
    double sum = 0;
    for (int j = 0; j < k; j++) {
      sum += w[row][j] * x[from + j];
    }
    return sum;
  }

  /** Σ |x[from + j]·w[row][j]|: what a sum's error is measured by. */
  double size(int row, float[] x, int from) {
    double sum = 0;
    for (int j = 0; j < k; j++) {
      sum += Math.abs(w[row][j] * x[from + j]);
    }
    return sum;
  }
}
