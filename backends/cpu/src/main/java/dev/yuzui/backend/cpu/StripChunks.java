package dev.yuzui.backend.cpu;

import java.util.Arrays;

/**
 * Cuts the strips of matrices of one shape into chunks that threads take one after another, from
 * the first to the last.
 *
 * <p>Where weights pass once, reading them is all there is to do. Each chunk begins with a wait for
 * memory, so there should be few; and whoever takes the last one lets the others wait, so it should
 * be small. Hence chunks that shrink: each is a share of what is left (guided self-scheduling;
 * Polychronopoulos and Kuck, 1987). Where they pass several times, all are of a size that stays in
 * a core's own cache.
 */
final class StripChunks {
  /** Vectors that a weight's one pass is for, at most. */
  private static final int ONCE = 8;

  /** Strips that the kernels take together, at most. */
  private static final int TOGETHER = 4;

  /** Of weights that pass once: a thread that is put aside holds up no more than this. */
  private static final long MOST_BYTES = 8 << 20;

  private static final long LEAST_BYTES = 16 << 10;
  private static final long EVEN_BYTES = 1 << 20;
  private static final long CACHED_BYTES = 256 << 10;

  /** Chunks of one size for a thread, so that the last ones to end do not hold up the others. */
  private static final int EVEN_CHUNKS = 4;

  private final int strips;
  private final int threads;
  private final boolean once;
  private final int most;

  private int[] matrices = {};
  private int[] firsts = {};
  private int[] lasts = {};
  private int count;

  /**
   * @param w of which each matrix has {@code strips}
   * @param matrices at most
   * @param vectors that a matrix meets at most
   */
  StripChunks(Packed w, int strips, int matrices, int vectors, int threads) {
    this.strips = strips;
    this.threads = threads;
    this.once = vectors <= ONCE;
    long bytes = w.stripBytes();
    long share = bytes * strips * matrices / (EVEN_CHUNKS * (long) threads);
    long wanted =
        once
            ? MOST_BYTES
            : Math.clamp(share, LEAST_BYTES, vectors <= Strips.VECTORS ? EVEN_BYTES : CACHED_BYTES);
    most = together(Math.clamp(wanted / bytes, 1, strips));
  }

  private int together(long strips) {
    return (int) Math.min(Math.ceilDiv(strips, TOGETHER) * TOGETHER, this.strips);
  }

  /** Cuts so many matrices; gives how many chunks they make. */
  int cut(int matrices) {
    count = 0;
    long left = (long) matrices * strips;
    for (int matrix = 0; matrix < matrices; matrix++) {
      for (int first = 0; first < strips; ) {
        int last = Math.min(strips, first + (once ? share(left) : most));
        add(matrix, first, last);
        left -= last - first;
        first = last;
      }
    }
    return count;
  }

  /** Measured for two threads: a third of what is left, of which each so has one, and one more. */
  private int share(long left) {
    return Math.min(most, together(Math.max(1, 2 * left / (3L * threads))));
  }

  private void add(int matrix, int first, int last) {
    if (count == matrices.length) {
      int room = Math.max(16, 2 * count);
      matrices = Arrays.copyOf(matrices, room);
      firsts = Arrays.copyOf(firsts, room);
      lasts = Arrays.copyOf(lasts, room);
    }
    matrices[count] = matrix;
    firsts[count] = first;
    lasts[count] = last;
    count++;
  }

  /** Of a chunk of the last {@link #cut}. */
  int matrix(int chunk) {
    return matrices[chunk];
  }

  /** Its first strip, of its matrix. */
  int first(int chunk) {
    return firsts[chunk];
  }

  /** Behind its last strip. */
  int last(int chunk) {
    return lasts[chunk];
  }
}
