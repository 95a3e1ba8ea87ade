package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.MlaShape;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;

/**
 * The C functions of native-kernels/cpu/yuzui_cpu.h, on addresses. Short ones are critical calls: a
 * few nanoseconds, in which no garbage collection can begin.
 */
final class NativeKernels implements StripKernels, RowKernels {
  /** All instruction sets that there are kernels for, each worse than those behind it. */
  static final List<String> INSTRUCTIONS =
      List.of("scalar", "neon-dotprod", "neon-i8mm-bf16", "avx2", "avx2-vnni", "avx512-vnni");

  private NativeKernels() {}

  /** The kernels, or why there are none. */
  static Optional<NativeKernels> find(Consumer<String> refusal) {
    return switch (NativeLibrary.INSTANCE) {
      case NativeLibrary.Found _ -> Optional.of(new NativeKernels());
      case NativeLibrary.Missing(String because) -> {
        refusal.accept(because);
        yield Optional.empty();
      }
    };
  }

  /** The instruction set in use, such as "avx512-vnni". */
  @SuppressWarnings("restricted")
  String instructions() {
    try {
      MemorySegment name = (MemorySegment) NativeCalls.INSTRUCTIONS.invokeExact();
      return name.reinterpret(64).getString(0);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Takes another instruction set, in the whole process; false if the processor has not got it. */
  boolean use(String instructions) {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      return (int) NativeCalls.USE.invokeExact(arena.allocateFrom(instructions)) != 0;
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public boolean takes(StripType type) {
    return true;
  }

  @Override
  public long temporaryBytes() {
    return 0;
  }

  @Override
  public long packedBytes(StripType type, long rows, long cols) {
    try {
      return (long) NativeCalls.PACKED_BYTES.invokeExact(type.ordinal(), rows, cols);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void pack(StripType type, long file, long scales, long rows, long cols, long packed) {
    try {
      NativeCalls.PACK.invokeExact(type.ordinal(), file, scales, rows, cols, packed);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public long preparedBytes(StripType type, long cols) {
    try {
      return (long) NativeCalls.PREPARED_BYTES.invokeExact(type.ordinal(), cols);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void prepare(PrepareOp.Source from, int first, int last, PrepareOp.Prepared to) {
    try {
      NativeCalls.PREPARE.invokeExact(
          to.type().ordinal(),
          from.address(),
          from.stride() / 4,
          (long) from.heads(),
          from.headStride() / 4,
          (long) first,
          (long) last,
          (long) from.cols(),
          to.address(),
          to.rowBytes());
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void product(
      Packed w, int first, int last, long x, int n, long out, Lane lane, long temporary) {
    try {
      NativeCalls.PRODUCT.invokeExact(
          w.type().ordinal(),
          w.address(),
          (long) w.rows(),
          (long) w.cols(),
          (long) first,
          (long) last,
          x,
          n,
          out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /**
   * Rows of F32 as they lie, times vectors; see yz_dots.
   *
   * @param x address of n addresses; likewise {@code out}
   */
  void dots(long w, long rowBytes, int rows, int cols, long x, int n, long out) {
    try {
      NativeCalls.DOTS.invokeExact(w, rowBytes / 4, (long) rows, (long) cols, x, n, out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void siluMul(long gate, long up, long out, int count) {
    try {
      NativeCalls.SILU_MUL.invokeExact(gate, up, out, (long) count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void rmsNorm(long x, long weight, float eps, int count, long out) {
    try {
      NativeCalls.RMS_NORM.invokeExact(x, weight, eps, (long) count, out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void zero(long x, int count) {
    try {
      NativeCalls.ZERO.invokeExact(x, (long) count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void add(long a, long b, long out, int count) {
    try {
      NativeCalls.ADD.invokeExact(a, b, out, (long) count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  @Override
  public void addScaled(long x, float by, long out, int count) {
    try {
      NativeCalls.ADD_SCALED.invokeExact(x, by, out, (long) count);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** The first of the numbers from ≤ i < count that is greater than {@code least}, or count. */
  int firstAbove(long x, int from, int count, float least) {
    try {
      return (int) (long) NativeCalls.FIRST_ABOVE.invokeExact(x, (long) from, (long) count, least);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** The number in yz_cache of an encoding that is read as it is, in rows of so many numbers. */
  static OptionalInt cacheNumber(Encoding encoding, long cols) {
    int number =
        switch (encoding) {
          case Encoding.Plain(var scalar) ->
              switch (scalar) {
                case F32 -> 0;
                case F16 -> 1;
                case BF16 -> 2;
                case E4M3 -> 3;
                case I32 -> -1;
              };
          case Encoding.Q8_0 _ -> 4;
          default -> -1;
        };
    return cols % 16 == 0 && number >= 0 ? OptionalInt.of(number) : OptionalInt.empty();
  }

  /** Whether so many queries of a token are better off without lanes of their own; see yz_few. */
  boolean few(int queries) {
    try {
      return (int) NativeCalls.FEW.invokeExact(queries) != 0;
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /**
   * Up to 16 queries as {@link #attend} wants them; see yz_turn.
   *
   * @param turned address of 16·{@link AttentionShape#keys} floats
   */
  void turn(long q, int queries, AttentionShape shape, boolean few, long turned) {
    try {
      NativeCalls.TURN.invokeExact(q, queries, shape.keys(), shape.scale(), few ? 1 : 0, turned);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Bytes of {@code work} of {@link #attend}. */
  long attendBytes(AttentionShape shape) {
    try {
      return (long) NativeCalls.ATTEND_BYTES.invokeExact(shape.width());
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /**
   * Attention over entries from ≤ i < last[j]; see yz_attend.
   *
   * @param cache number of the encoding in yz_cache
   * @param pages address of a YzPages
   * @param few as in {@link #turn}
   * @param last address of 16 I64
   */
  void attend(
      int cache,
      long turned,
      int queries,
      boolean few,
      long pages,
      int from,
      long last,
      AttentionShape shape,
      long part,
      long work) {
    try {
      NativeCalls.ATTEND.invokeExact(
          cache,
          turned,
          queries,
          few ? 1 : 0,
          pages,
          (long) from,
          last,
          shape.width(),
          shape.keys(),
          shape.valuesAt(),
          shape.values(),
          part,
          work);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Puts parts together that lie {@code stride} floats apart; see yz_merge. */
  void merge(long parts, long stride, int count, int queries, AttentionShape shape, long out) {
    try {
      NativeCalls.MERGE.invokeExact(parts, stride, count, queries, shape.values(), out);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Bytes of {@code work} of {@link #expanded} for so many rows. */
  long expandedBytes(MlaShape s, int rows) {
    try {
      return (long)
          NativeCalls.EXPANDED_BYTES.invokeExact(
              s.nope(), s.rope(), s.value(), s.kvLora(), (long) rows);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /**
   * Expanded attention of rows of one sequence and one head; see yz_expanded.
   *
   * @param cache number of the encoding in yz_cache
   * @param heads address of a YzHeads; of a YzRows and a YzPages likewise
   */
  void expanded(int cache, long heads, long rows, long pages, long work) {
    try {
      NativeCalls.EXPANDED.invokeExact(cache, heads, rows, pages, work);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Bytes of {@code turned} of {@link #indexTurn}. */
  long indexTurnedBytes(IndexShape s) {
    try {
      return (long) NativeCalls.Index.TURNED_BYTES.invokeExact(s.heads(), s.head());
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** A row's queries and their weights as {@link #indexScores} wants them. */
  void indexTurn(long q, long weights, IndexShape s, long turned) {
    try {
      NativeCalls.Index.TURN.invokeExact(q, weights, s.heads(), s.head(), turned);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /** Bytes of {@code work} of {@link #indexScores}. */
  long indexBytes(IndexShape s) {
    try {
      return (long) NativeCalls.Index.BYTES.invokeExact(s.head());
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }

  /**
   * Scores of the entries from ≤ i < to, into {@code scores} from element {@code from} on; see
   * yz_index_scores.
   *
   * @param cache number of the encoding in yz_cache
   * @param pages address of a YzPages
   */
  void indexScores(
      int cache, long turned, IndexShape s, long pages, int from, int to, long scores, long work) {
    try {
      NativeCalls.Index.SCORES.invokeExact(
          cache,
          turned,
          s.heads(),
          s.head(),
          s.scale(),
          pages,
          (long) from,
          (long) to,
          scores,
          work);
    } catch (Throwable t) {
      throw Opaque.rethrow(t);
    }
  }
}
