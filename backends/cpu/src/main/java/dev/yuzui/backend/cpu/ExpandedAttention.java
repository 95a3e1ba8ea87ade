package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * The expanded form of {@link dev.yuzui.spi.Ops#mlaPrefill}. A chunk is a head and a run of rows of
 * one sequence: keys and values of a block of entries are rebuilt in lane memory, then all rows of
 * the run pass over them. Runs as long as possible, for rebuilding costs the same whoever looks.
 */
final class ExpandedAttention extends Op {
  private static final int ENTRIES = 64;
  private static final int RUN = 512;

  private final CpuKernels kernels;
  private final Optional<NativeExpanded> natives;
  private final MlaShape shape;
  private final Matrix cache;
  private final Matrix keyUp;
  private final Matrix valueUp;
  private final Pages pages;
  private final Optional<ChosenBits> chosen;
  private final long q;
  private final long out;
  private final int tokens;
  private final int[] runStart;
  private int runs;

  /**
   * @param chosen what rows look at, where that is not all; for native kernels, see {@link
   *     #isNative}
   */
  ExpandedAttention(
      CpuKernels kernels,
      Optional<NativeKernels> natives,
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Optional<ChosenBits> chosen,
      Tensor out) {
    this.chosen = chosen;
    this.kernels = kernels;
    this.shape = shape;
    this.cache = Matrix.of(cache.entries());
    this.keyUp = Matrix.of(keyUp);
    this.valueUp = Matrix.of(valueUp);
    this.pages = new Pages(cache, batch);
    this.q = HostBuffer.address(q);
    this.out = HostBuffer.address(out);
    this.tokens = Math.toIntExact(q.rows());
    this.runStart = new int[tokens + 1];
    this.natives =
        natives.flatMap(
            n -> NativeExpanded.of(n, kernels, this.cache, this.keyUp, this.valueUp, shape, pages));
  }

  /** Whether native kernels read such a cache. */
  boolean isNative() {
    return natives.isPresent();
  }

  /**
   * Whether this form takes fewer multiplications than the absorbed one on the step at hand. Per
   * head and entry it rebuilds a key and a value; the absorbed form instead carries each query and
   * result through the same matrices and pays Lkv + R and Lkv, not P + R and V, for each pair of
   * token and entry: of those that are chosen, where this form goes over all.
   */
  boolean pays() {
    findRuns();
    long carry = (long) shape.kvLora() * (shape.nope() + shape.value());
    long expanded = 0;
    long absorbed = 0;
    int most = chosen.isPresent() ? chosen.get().most : Integer.MAX_VALUE;
    for (int r = 0; r < runs; r++) {
      int longest = pages.kvLength(runStart[r + 1] - 1);
      if (chosen.isPresent() && !chosen.get().hold(longest)) {
        return false;
      }
      expanded += carry * longest;
      for (int t = runStart[r]; t < runStart[r + 1]; t++) {
        long entries = pages.kvLength(t);
        expanded += entries * (shape.query() + shape.value());
        absorbed += carry + Math.min(entries, most) * (shape.entry() + shape.kvLora());
      }
    }
    return expanded < absorbed * (chosen.isPresent() ? ChosenBits.GATHERED : 1);
  }

  private void findRuns() {
    runs = 0;
    int start = 0;
    for (int t = 1; t <= tokens; t++) {
      if (t == tokens || t - start == RUN || pages.sequence(t) != pages.sequence(start)) {
        runStart[runs++] = start;
        start = t;
      }
    }
    runStart[runs] = tokens;
  }

  private long entryStride() {
    return 4L * shape.entry() + 64;
  }

  private long keyStride() {
    return 4L * shape.query() + 64;
  }

  private long valueStride() {
    return 4L * shape.value() + 64;
  }

  private long keyWeights() {
    return 4L * shape.kvLora() * shape.nope();
  }

  private long valueWeightStride() {
    return 4L * shape.kvLora() + 64;
  }

  long laneBytes() {
    return natives.map(n -> n.laneBytes(Math.min(RUN, tokens))).orElse(javaLaneBytes());
  }

  private long javaLaneBytes() {
    return keyWeights()
        + shape.value() * valueWeightStride()
        + ENTRIES * (entryStride() + keyStride() + valueStride())
        + RUN * (4L * ENTRIES + 8)
        + temporaryBytes();
  }

  private long temporary(Lane lane) {
    return lane.memory() + javaLaneBytes() - temporaryBytes();
  }

  /** For products and for decoding a row of a weight. */
  private long temporaryBytes() {
    int longest = Math.max(shape.nope(), shape.kvLora());
    return Math.max(CpuKernels.TEMPORARY, kernels.temporaryBytes(longest));
  }

  int laneRows() {
    return Math.max(RUN, ENTRIES);
  }

  @Override
  int chunks() {
    findRuns();
    return runs * shape.heads();
  }

  @Override
  void run(int chunk, Lane lane) {
    int run = chunk / shape.heads();
    int head = chunk % shape.heads();
    int first = runStart[run];
    int count = runStart[run + 1] - first;
    long outRow = 4L * shape.heads() * shape.value();
    long to = out + first * outRow + 4L * head * shape.value();
    int sequence = pages.sequence(first);
    if (sequence < 0) {
      zero(count, to, outRow);
      return;
    }
    if (natives.isPresent()) {
      natives
          .get()
          .attend(lane, head, sequence, first, count, query(first, head), to, outRow, chosen);
      return;
    }
    decodeWeights(lane, head);
    attend(lane, head, sequence, first, count, to, outRow);
  }

  private void zero(int count, long acc, long outRow) {
    for (int i = 0; i < count; i++) {
      kernels.zero(acc + i * outRow, shape.value());
    }
  }

  private void decodeWeights(Lane lane, int head) {
    long key = lane.memory();
    long value = key + keyWeights();
    for (int l = 0; l < shape.kvLora(); l++) {
      kernels.decode(
          keyUp,
          head * shape.kvLora() + l,
          0,
          shape.nope(),
          temporary(lane),
          key + 4L * l * shape.nope());
    }
    for (int v = 0; v < shape.value(); v++) {
      kernels.decode(
          valueUp,
          head * shape.value() + v,
          0,
          shape.kvLora(),
          temporary(lane),
          value + v * valueWeightStride());
    }
  }

  private long query(int t, int head) {
    return q + 4L * ((long) t * shape.heads() + head) * shape.query();
  }

  private void attend(
      Lane lane, int head, int sequence, int first, int count, long acc, long outRow) {
    long keyWeight = lane.memory();
    long valueWeight = keyWeight + keyWeights();
    long entries = valueWeight + shape.value() * valueWeightStride();
    long keys = entries + ENTRIES * entryStride();
    long values = keys + ENTRIES * keyStride();
    long scores = values + ENTRIES * valueStride();
    long states = scores + 4L * RUN * ENTRIES;
    zero(count, acc, outRow);
    int longest = 0;
    for (int i = 0; i < count; i++) {
      longest = Math.max(longest, pages.kvLength(first + i));
      Memory.f32(states + 8L * i, Float.NEGATIVE_INFINITY);
      Memory.f32(states + 8L * i + 4, 0);
    }
    for (int e = 0; e < longest; e += ENTRIES) {
      int n = Math.min(ENTRIES, longest - e);
      rebuild(lane, sequence, e, n, keyWeight, valueWeight, entries, keys, values);
      int skip = 0;
      while (pages.kvLength(first + skip) <= e) {
        skip++;
      }
      for (int i = skip; i < count; i++) {
        lane.in[i - skip] = query(first + i, head);
        lane.out[i - skip] = scores + 4L * i * ENTRIES;
      }
      kernels.products(
          keys,
          keyStride(),
          n,
          lane.in,
          0,
          count - skip,
          shape.query(),
          lane.out,
          0,
          false,
          temporary(lane));
      for (int i = skip; i < count; i++) {
        long row = scores + 4L * i * ENTRIES;
        int seen = Math.clamp(pages.kvLength(first + i) - (long) e, 0, n);
        if (seen > 0) {
          Softmax.block(
              kernels, row, seen, shape.scale(), states + 8L * i, acc + i * outRow, shape.value());
        }
        kernels.zero(row + 4L * seen, n - seen);
      }
      kernels.weightedSum(
          scores + 4L * skip * ENTRIES,
          4L * ENTRIES,
          count - skip,
          values,
          valueStride(),
          n,
          shape.value(),
          acc + skip * outRow,
          outRow);
    }
    for (int i = 0; i < count; i++) {
      float sum = Memory.f32(states + 8L * i + 4);
      kernels.scale(acc + i * outRow, sum == 0 ? 0 : 1 / sum, shape.value());
    }
  }

  /** keys[j] = [W_UK·c; k_rope], values[j] = W_UV·c of entries e … e + n − 1. */
  private void rebuild(
      Lane lane,
      int sequence,
      int e,
      int n,
      long keyWeight,
      long valueWeight,
      long entries,
      long keys,
      long values) {
    for (int j = 0; j < n; j++) {
      long entry = entries + j * entryStride();
      kernels.decode(cache, pages.entry(sequence, e + j), 0, shape.entry(), temporary(lane), entry);
      kernels.zero(keys + j * keyStride(), shape.nope());
      Memory.copy(
          entry + 4L * shape.kvLora(),
          keys + j * keyStride() + 4L * shape.nope(),
          4L * shape.rope());
      lane.in[j] = entry;
      lane.out[j] = values + j * valueStride();
    }
    kernels.weightedSum(
        entries,
        entryStride(),
        n,
        keyWeight,
        4L * shape.nope(),
        shape.kvLora(),
        shape.nope(),
        keys,
        keyStride());
    kernels.products(
        valueWeight,
        valueWeightStride(),
        shape.value(),
        lane.in,
        0,
        n,
        shape.kvLora(),
        lane.out,
        0,
        false,
        temporary(lane));
  }
}
