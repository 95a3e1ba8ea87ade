package dev.yuzui.backend.cpu;

import java.lang.foreign.Arena;

/** What belongs to one thread of a team: its number and memory that ops use while they run. */
final class Lane {
  final int index;

  /** Row addresses of the vectors and results of a product. */
  long[] in = new long[64];

  long[] out = new long[64];

  /** Where fused products keep {@link #out} meanwhile. */
  long[] kept = new long[64];

  private float[] floats = {};

  /** Where kernels keep activations whose words they broadcast: C2 likes an array best. */
  private int[] ints = new int[0];

  private Arena arena = Arena.ofShared();
  private long base;
  private long bytes;

  Lane(int index) {
    this.index = index;
  }

  /** Start of at least as many bytes as were reserved. */
  long memory() {
    return base;
  }

  /** At least {@code count} floats, until the next call. */
  float[] floats(int count) {
    if (floats.length < count) {
      floats = new float[count];
    }
    return floats;
  }

  /** Only between runs: ops look {@link #memory} up each time they run. */
  void reserve(long wanted, int rows) {
    if (wanted > bytes) {
      arena.close();
      arena = Arena.ofShared();
      base = arena.allocate(wanted, 4096).address();
      bytes = wanted;
    }
    if (rows > in.length) {
      in = new long[rows];
      out = new long[rows];
      kept = new long[rows];
    }
  }

  /** At least so many, as the last one to ask left them. */
  int[] ints(int count) {
    if (count > ints.length) {
      ints = new int[count];
    }
    return ints;
  }

  void close() {
    arena.close();
  }
}
