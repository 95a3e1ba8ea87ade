package dev.yuzui.backend.cpu;

import dev.yuzui.spi.CompressedOps.Blocks;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Rows, rings and blocks of compressed attention: see {@link dev.yuzui.spi.CompressedOps}. */
final class CompressedAttention {
  private CompressedAttention() {}

  static Op wholeBlocks(Tensor length, int tokens, Tensor out) {
    long from = HostBuffer.address(length);
    long to = HostBuffer.address(out);
    return new RowOp(out.cols(), 8) {
      @Override
      void row(int t, Lane lane) {
        Memory.i32(to + 4L * t, Memory.i32(from + 4L * t) / tokens);
      }
    };
  }

  static Op stage(CpuKernels kernels, Tensor x, Ring ring) {
    long from = HostBuffer.address(x);
    int cols = Math.toIntExact(x.cols());
    Matrix rows = Matrix.of(ring.rows());
    return new RowOp(x.rows(), 8L * cols) {
      @Override
      void row(int t, Lane lane) {
        long to = rows.row(Math.toIntExact(ring.staged() + t));
        kernels.encode(rows.encoding(), from + 4L * t * cols, cols, to);
      }
    };
  }

  static Op keep(CpuKernels kernels, Tensor x, Ring ring, StepBatch batch) {
    long from = HostBuffer.address(x);
    int cols = Math.toIntExact(x.cols());
    Matrix rows = Matrix.of(ring.rows());
    Places places = new Places(ring, batch);
    return new RowOp(x.rows(), 8L * cols) {
      @Override
      void row(int t, Lane lane) {
        int sequence = places.sequence(t);
        int later = t + ring.length();
        boolean covered = later < places.tokens && places.sequence(later) == sequence;
        if (sequence >= 0 && !covered) {
          long to = rows.row(places.kept(sequence, places.position(t)));
          kernels.encode(rows.encoding(), from + 4L * t * cols, cols, to);
        }
      }
    };
  }

  /** Where a step's rows, and those before them, lie. */
  private static final class Places {
    private final Ring ring;
    private final long sequence;
    private final long position;
    private final int tokens;

    Places(Ring ring, StepBatch batch) {
      this.ring = ring;
      this.sequence = HostBuffer.address(batch.sequence());
      this.position = HostBuffer.address(batch.position());
      this.tokens = batch.tokens();
    }

    int sequence(int t) {
      return Memory.i32(sequence + 4L * t);
    }

    int position(int t) {
      return Memory.i32(position + 4L * t);
    }

    /** Whether the row {@code back} positions before row t's is of the step. */
    boolean inStep(int t, int back) {
      return back <= t && sequence(t - back) == sequence(t);
    }

    int kept(int sequence, int position) {
      return Math.toIntExact(
          ring.first() + (long) sequence * ring.length() + position % ring.length());
    }
  }

  /** Lane memory of {@link #append}. */
  static long laneBytes(Tensor norm) {
    return 16L * norm.cols() + 64;
  }

  static Op append(
      CpuKernels kernels,
      RowKernels rowKernels,
      Tensor x,
      Tensor ape,
      Tensor norm,
      float eps,
      Tensor table,
      Rounding rounding,
      Ring state,
      KvCache blocks,
      StepBatch batch) {
    long from = HostBuffer.address(x);
    long before = HostBuffer.address(state.rows());
    long bias = HostBuffer.address(ape);
    long weight = HostBuffer.address(norm);
    int d = Math.toIntExact(norm.cols());
    int wide = Math.toIntExact(ape.cols());
    int block = Math.toIntExact(ape.rows());
    int rope = Math.toIntExact(table.cols());
    Places places = new Places(state, batch);
    Pages pages = new Pages(blocks, batch);
    Rows.Angles angles = new Rows.Angles(table, batch);
    Matrix entries = Matrix.of(blocks.entries());
    return new RowOp(x.rows(), 64L * wide) {
      @Override
      void row(int t, Lane lane) {
        int sequence = places.sequence(t);
        int position = places.position(t);
        if (sequence < 0 || (position + 1) % block != 0) {
          return;
        }
        // most, total and sum of each element, behind the row that comes of them
        long row = lane.memory();
        float[] floats = lane.floats(3 * d);
        for (int c = 0; c < d; c++) {
          floats[c] = Float.NEGATIVE_INFINITY;
          floats[d + c] = 0;
          floats[2 * d + c] = 0;
        }
        int slots = Math.min(position + 1, block * (wide / d));
        for (int back = slots - 1; back >= 0; back--) {
          long there =
              places.inStep(t, back)
                  ? from + 8L * (t - back) * wide
                  : before + 8L * places.kept(sequence, position - back) * wide;
          int channel = back < block ? wide - d : 0;
          long more = bias + 4L * ((position - back) % block * (long) wide + channel);
          pool(there + 4L * channel, there + 4L * (wide + channel), more, d, floats);
        }
        for (int c = 0; c < d; c++) {
          Memory.f32(row + 4L * c, floats[2 * d + c] / floats[d + c]);
        }
        rowKernels.rmsNorm(row, weight, eps, d, row);
        long turned = row + 4L * (d - rope);
        angles.rotate(turned, angles.at(position + 1 - block), turned);
        round(row, d, rope, rounding, row + 4L * d);
        kernels.encode(
            entries.encoding(), row, d, entries.row(pages.entry(sequence, position / block)));
      }
    };
  }

  /** A slot's share, by an online softmax of each element. */
  private static void pool(long value, long gate, long bias, int d, float[] state) {
    for (int c = 0; c < d; c++) {
      float g = Memory.f32(gate + 4L * c) + Memory.f32(bias + 4L * c);
      float u = Memory.f32(value + 4L * c);
      float most = Math.max(state[c], g);
      float less = (float) Math.exp(state[c] - most);
      float by = (float) Math.exp(g - most);
      state[c] = most;
      state[d + c] = state[d + c] * less + by;
      state[2 * d + c] = state[2 * d + c] * less + by * u;
    }
  }

  static Op round(Tensor x, int heads, int rope, Rounding rounding) {
    long rows = HostBuffer.address(x);
    int head = Math.toIntExact(x.cols() / heads);
    return new RowOp(x.rows(), 64L * x.cols()) {
      @Override
      void row(int t, Lane lane) {
        for (int h = t * heads; h < (t + 1) * heads; h++) {
          round(rows + 4L * h * head, head, rope, rounding, lane.memory());
        }
      }
    };
  }

  /**
   * @param spare as many floats as the head has
   */
  private static void round(long x, int head, int rope, Rounding rounding, long spare) {
    switch (rounding) {
      case NONE -> {}
      case E4M3 -> {
        for (int b = 0; b < head - rope; b += 64) {
          float scale = power(Math.max(greatest(x, b, 64), 1e-4f) / 448);
          for (int i = b; i < b + 64; i++) {
            Memory.f32(x + 4L * i, e4m3(Memory.f32(x + 4L * i) / scale) * scale);
          }
        }
      }
      case E2M1 -> {
        Memory.copy(x, spare, 4L * head);
        Indexer.spread(spare, head, x);
        for (int b = 0; b < head; b += 32) {
          float scale = power(Math.max(greatest(x, b, 32), 6 * 0x1p-126f) / 6);
          for (int i = b; i < b + 32; i++) {
            Memory.f32(x + 4L * i, e2m1(Memory.f32(x + 4L * i) / scale) * scale);
          }
        }
      }
    }
  }

  private static float greatest(long x, int from, int count) {
    float most = 0;
    for (int i = from; i < from + count; i++) {
      most = Math.max(most, Math.abs(Memory.f32(x + 4L * i)));
    }
    return most;
  }

  /** The least power of two that is no smaller. */
  private static float power(float x) {
    float floor = Math.scalb(1f, Math.getExponent(x));
    return floor < x ? 2 * floor : floor;
  }

  private static float e4m3(float x) {
    float size = Math.abs(x);
    float unit = Math.scalb(1f, Math.getExponent(Math.max(size, 0x1p-6f)) - 3);
    return Math.copySign(Math.min((float) Math.rint(size / unit) * unit, 448), x);
  }

  /** Halves up to 2, whole numbers to 4, then 6: each range with steps of its own. */
  private static float e2m1(float x) {
    float size = Math.min(Math.abs(x), 6);
    float unit = size < 2 ? 0.5f : size < 4 ? 1 : 2;
    return Math.copySign((float) Math.rint(size / unit) * unit, x);
  }

  static Op look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    long rows = HostBuffer.address(out.rows());
    long sequences = HostBuffer.address(out.sequence());
    long counts = HostBuffer.address(out.count());
    int cols = Math.toIntExact(out.rows().cols());
    long seen = all.map(b -> HostBuffer.address(b.seen())).orElse(0L);
    Optional<Pages> pages = all.map(b -> new Pages(b.entries(), batch));
    long some = chosen.map(c -> HostBuffer.address(c.rows())).orElse(0L);
    long someCount = chosen.map(c -> HostBuffer.address(c.count())).orElse(0L);
    int someCols = chosen.map(c -> Math.toIntExact(c.rows().cols())).orElse(0);
    Places places = new Places(ring, batch);
    return new RowOp(batch.tokens(), 8L * cols) {
      @Override
      void row(int t, Lane lane) {
        int sequence = places.sequence(t);
        int position = places.position(t);
        long row = rows + 4L * t * cols;
        int count = 0;
        if (sequence >= 0) {
          for (int back = Math.min(window - 1, position); back >= 0; back--) {
            int at =
                places.inStep(t, back)
                    ? (int) ring.staged() + t - back
                    : places.kept(sequence, position - back);
            Memory.i32(row + 4L * count++, at);
          }
          if (some != 0) {
            int more = Memory.i32(someCount + 4L * t);
            Memory.copy(some + 4L * t * someCols, row + 4L * count, 4L * more);
            count += more;
          }
          if (pages.isPresent()) {
            int more = Memory.i32(seen + 4L * t);
            for (int i = 0; i < more; i++) {
              Memory.i32(row + 4L * count++, pages.get().entry(sequence, i));
            }
          }
        }
        for (int i = count; i < cols; i++) {
          Memory.i32(row + 4L * i, -1);
        }
        Memory.i32(sequences + 4L * t, sequence < 0 ? -1 : t);
        Memory.i32(counts + 4L * t, count);
      }
    };
  }
}
