package dev.yuzui.backend.cpu;

import dev.yuzui.spi.MlaShape;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What yz_expanded wants to know of a head and a run of rows. Weights that it does not read as they
 * are it gets in F32.
 */
final class NativeExpanded {
  /** Bytes of a YzHeads, padded, and of a YzRows. */
  private static final long HEADS_BYTES = 32;

  private static final long ROWS_BYTES = 112;

  /** W_UK or W_UV: its rows of a head, and its number in yz_cache if it has one. */
  private record Weight(Matrix matrix, int headRows, OptionalInt number) {
    static Weight of(Matrix matrix, int headRows) {
      return new Weight(
          matrix, headRows, NativeKernels.cacheNumber(matrix.encoding(), matrix.cols()));
    }

    long decodedBytes() {
      return number.isPresent() ? 0 : 4L * headRows * matrix.cols();
    }
  }

  private final NativeKernels natives;
  private final CpuKernels kernels;
  private final Matrix cache;
  private final int cacheNumber;
  private final Weight keyUp;
  private final Weight valueUp;
  private final MlaShape shape;
  private final Pages pages;
  private final long temporaryBytes;

  private NativeExpanded(
      NativeKernels natives,
      CpuKernels kernels,
      Matrix cache,
      int cacheNumber,
      Weight keyUp,
      Weight valueUp,
      MlaShape shape,
      Pages pages) {
    this.natives = natives;
    this.kernels = kernels;
    this.cache = cache;
    this.cacheNumber = cacheNumber;
    this.keyUp = keyUp;
    this.valueUp = valueUp;
    this.shape = shape;
    this.pages = pages;
    this.temporaryBytes = kernels.temporaryBytes(Math.max(shape.nope(), shape.kvLora()));
  }

  /** Empty, if the kernel does not read such a cache. */
  static Optional<NativeExpanded> of(
      NativeKernels natives,
      CpuKernels kernels,
      Matrix cache,
      Matrix keyUp,
      Matrix valueUp,
      MlaShape shape,
      Pages pages) {
    OptionalInt number = NativeKernels.cacheNumber(cache.encoding(), cache.cols());
    if (number.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new NativeExpanded(
            natives,
            kernels,
            cache,
            number.getAsInt(),
            Weight.of(keyUp, shape.kvLora()),
            Weight.of(valueUp, shape.value()),
            shape,
            pages));
  }

  /** Of runs of so many rows at most. */
  long laneBytes(int rows) {
    return HEADS_BYTES
        + ROWS_BYTES
        + Pages.DESCRIPTION
        + temporaryBytes
        + keyUp.decodedBytes()
        + valueUp.decodedBytes()
        + 4L * rows
        + natives.expandedBytes(shape, rows);
  }

  /**
   * Attention of {@code head} for the rows first ≤ t < first + count.
   *
   * @param q address of the head's first query; of the head's first result {@code out} likewise
   * @param outRow bytes between the results
   * @param chosen what rows look at, where that is not all
   */
  void attend(
      Lane lane,
      int head,
      int sequence,
      int first,
      int count,
      long q,
      long out,
      long outRow,
      Optional<ChosenBits> chosen) {
    long heads = lane.memory();
    long rows = heads + HEADS_BYTES;
    long entries = rows + ROWS_BYTES;
    long temporary = entries + Pages.DESCRIPTION;
    long key = temporary + temporaryBytes;
    long value = key + keyUp.decodedBytes();
    long lengths = value + valueUp.decodedBytes();
    Memory.i32(heads, shape.nope());
    Memory.i32(heads + 4, shape.rope());
    Memory.i32(heads + 8, shape.value());
    Memory.i32(heads + 12, shape.kvLora());
    Memory.f32(heads + 16, shape.scale());
    Memory.i64(rows, q);
    Memory.i64(rows + 8, out);
    Memory.i64(rows + 16, lengths);
    Memory.i64(rows + 24, (long) shape.heads() * shape.query());
    Memory.i64(rows + 32, outRow / 4);
    Memory.i64(rows + 40, count);
    describe(keyUp, head, temporary, key, rows + 48);
    describe(valueUp, head, temporary, value, rows + 72);
    Memory.i64(rows + 96, chosen.isPresent() ? chosen.get().at(first) : 0);
    Memory.i64(rows + 104, chosen.isPresent() ? chosen.get().words : 0);
    int longest = 0;
    for (int i = 0; i < count; i++) {
      int length = pages.kvLength(first + i);
      longest = Math.max(longest, length);
      Memory.i32(lengths + 4L * i, length);
    }
    pages.describe(cache, sequence, 0, longest, 0, entries);
    natives.expanded(cacheNumber, heads, rows, entries, lengths + 4L * count);
  }

  /** Writes a YzMatrix of a head's rows. */
  private void describe(Weight w, int head, long temporary, long decoded, long at) {
    Matrix m = w.matrix();
    int first = head * w.headRows();
    if (w.number().isPresent()) {
      Memory.i64(at, m.row(first));
      Memory.i64(at + 8, w.number().getAsInt());
      Memory.i64(at + 16, m.rowBytes());
      return;
    }
    long rowBytes = 4L * m.cols();
    for (int r = 0; r < w.headRows(); r++) {
      kernels.decode(m, first + r, 0, m.cols(), temporary, decoded + r * rowBytes);
    }
    Memory.i64(at, decoded);
    Memory.i64(at + 8, 0);
    Memory.i64(at + 16, rowBytes);
  }
}
