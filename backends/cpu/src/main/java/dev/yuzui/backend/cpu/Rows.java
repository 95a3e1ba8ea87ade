package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/** Ops that move, normalise or rotate rows. */
public final class Rows {
  private Rows() {}

  /**
   * Rows come from plain loops: a token has one or two of them, and vector kernels that are used so
   * seldom stay interpreted for thousands of tokens, at half a millisecond each.
   */
  static Op embed(Tensor table, Tensor row, Tensor out) {
    Matrix w = Matrix.of(table);
    long rows = HostBuffer.address(row);
    long to = HostBuffer.address(out);
    return new RowOp(out.rows(), 4 * out.cols()) {
      @Override
      void row(int t, Lane lane) {
        int r = Memory.i32(rows + 4L * t);
        if (r < 0 || r >= w.rows()) {
          throw new BackendException(
              "row " + t + " of the step looks up row " + r + " of " + table,
              "token ids must be below " + w.rows());
        }
        long at = to + 4L * t * w.cols();
        if (w.encoding().equals(Encoding.F32)) {
          Memory.copy(w.row(r), at, 4L * w.cols());
          return;
        }
        float[] decoded = lane.floats(w.cols());
        w.decode(r, 0, w.cols(), decoded);
        for (int c = 0; c < w.cols(); c++) {
          Memory.f32(at + 4L * c, decoded[c]);
        }
      }
    };
  }

  static Op rmsNorm(RowKernels kernels, Tensor x, Tensor weight, float eps, Tensor out) {
    long in = HostBuffer.address(x);
    long by = HostBuffer.address(weight);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(x.cols());
    return new RowOp(x.rows(), 8L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = 4L * t * cols;
        kernels.rmsNorm(in + at, by, eps, cols, to + at);
      }
    };
  }

  static Op add(RowKernels kernels, Tensor a, Tensor b, Tensor out) {
    long left = HostBuffer.address(a);
    long right = HostBuffer.address(b);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(out.cols());
    return new RowOp(out.rows(), 12L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = 4L * t * cols;
        kernels.add(left + at, right + at, to + at, cols);
      }
    };
  }

  static Op addRow(RowKernels kernels, Tensor x, Tensor row) {
    long to = HostBuffer.address(x);
    long more = HostBuffer.address(row);
    int cols = Math.toIntExact(x.cols());
    return new RowOp(x.rows(), 12L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = to + 4L * t * cols;
        kernels.add(at, more, at, cols);
      }
    };
  }

  static Op addRmsNorm(
      RowKernels kernels, Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    long sum = HostBuffer.address(x);
    long more = HostBuffer.address(y);
    long by = HostBuffer.address(weight);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(x.cols());
    return new RowOp(x.rows(), 20L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = 4L * t * cols;
        kernels.add(sum + at, more + at, sum + at, cols);
        kernels.rmsNorm(sum + at, by, eps, cols, to + at);
      }
    };
  }

  static Op siluMul(RowKernels kernels, Tensor gate, Tensor up, Tensor out) {
    long left = HostBuffer.address(gate);
    long right = HostBuffer.address(up);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(out.cols());
    return new RowOp(out.rows(), 24L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = 4L * t * cols;
        kernels.siluMul(left + at, right + at, to + at, cols);
      }
    };
  }

  /** Lane memory: a row. */
  static Op clampedSiluMul(RowKernels kernels, Tensor gate, Tensor up, float limit, Tensor out) {
    long left = HostBuffer.address(gate);
    long right = HostBuffer.address(up);
    long to = HostBuffer.address(out);
    int cols = Math.toIntExact(out.cols());
    RowKernels clamped = new ClampedRowKernels(kernels, limit);
    return new RowOp(out.rows(), 24L * cols) {
      @Override
      void row(int t, Lane lane) {
        long at = 4L * t * cols;
        if (left != to) {
          Memory.copy(left + at, to + at, 4L * cols);
        }
        Memory.copy(right + at, lane.memory(), 4L * cols);
        clamped.siluMul(to + at, lane.memory(), to + at, cols);
      }
    };
  }

  static Op concat(Tensor a, Tensor b, Tensor out) {
    long left = HostBuffer.address(a);
    long right = HostBuffer.address(b);
    long to = HostBuffer.address(out);
    long leftBytes = 4 * a.cols();
    long rightBytes = 4 * b.cols();
    return new RowOp(out.rows(), 8 * out.cols()) {
      @Override
      void row(int t, Lane lane) {
        long at = to + t * (leftBytes + rightBytes);
        Memory.copy(left + t * leftBytes, at, leftBytes);
        Memory.copy(right + t * rightBytes, at + leftBytes, rightBytes);
      }
    };
  }

  static Op copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    long from = HostBuffer.address(x) + 4L * xOffset;
    long to = HostBuffer.address(out) + 4L * outOffset;
    long fromHead = 4 * x.cols() / heads;
    long toHead = 4 * out.cols() / heads;
    return new RowOp(out.rows(), 16L * count * heads) {
      @Override
      void row(int t, Lane lane) {
        for (int h = t * heads; h < (t + 1) * heads; h++) {
          Memory.copy(from + h * fromHead, to + h * toHead, 4L * count);
        }
      }
    };
  }

  static Op rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    long from = HostBuffer.address(x) + 4L * xOffset;
    long to = HostBuffer.address(out) + 4L * outOffset;
    long fromHead = 4 * x.cols() / heads;
    long toHead = 4 * out.cols() / heads;
    long sequence = HostBuffer.address(batch.sequence());
    Angles angles = new Angles(table, batch);
    return new RowOp(out.rows(), 32L * table.cols() * heads) {
      @Override
      void row(int t, Lane lane) {
        if (Memory.i32(sequence + 4L * t) < 0) {
          return;
        }
        long row = angles.of(t);
        for (int h = t * heads; h < (t + 1) * heads; h++) {
          angles.rotate(from + h * fromHead, row, to + h * toHead);
        }
      }
    };
  }

  /** Lane memory: one entry. */
  static Op appendLatent(
      CpuKernels kernels,
      RowKernels rowKernels,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    long in = HostBuffer.address(kv);
    long by = HostBuffer.address(norm);
    Pages pages = new Pages(cache, batch);
    Matrix entries = Matrix.of(cache.entries());
    int latent = Math.toIntExact(norm.cols());
    int cols = Math.toIntExact(kv.cols());
    Angles angles = new Angles(table, batch);
    return new RowOp(kv.rows(), 32L * cols) {
      @Override
      void row(int t, Lane lane) {
        int sequence = pages.sequence(t);
        if (sequence < 0) {
          return;
        }
        long from = in + 4L * t * cols;
        long entry = lane.memory();
        rowKernels.rmsNorm(from, by, eps, latent, entry);
        angles.rotate(from + 4L * latent, angles.of(t), entry + 4L * latent);
        int at = pages.entry(sequence, angles.position(t));
        kernels.encode(entries.encoding(), entry, cols, entries.row(at));
      }
    };
  }

  /** Lane memory: one entry. */
  static Op append(
      CpuKernels kernels,
      Tensor k,
      Tensor v,
      Tensor table,
      KvCache cache,
      GroupedShape shape,
      StepBatch batch) {
    long keys = HostBuffer.address(k);
    long values = HostBuffer.address(v);
    long rowBytes = 4 * k.cols();
    long headBytes = 4L * shape.head();
    Pages pages = new Pages(cache, batch);
    Matrix entries = Matrix.of(cache.entries());
    Angles angles = new Angles(table, batch);
    return new RowOp(k.rows(), 8 * rowBytes) {
      @Override
      void row(int t, Lane lane) {
        int sequence = pages.sequence(t);
        if (sequence < 0) {
          return;
        }
        long entry = lane.memory();
        for (int g = 0; g < shape.kvHeads(); g++) {
          long from = t * rowBytes + g * headBytes;
          long to = entry + 2 * g * headBytes;
          angles.rotate(keys + from, angles.of(t), to);
          Memory.copy(values + from, to + headBytes, headBytes);
        }
        int at = pages.entry(sequence, angles.position(t));
        kernels.encode(entries.encoding(), entry, shape.entry(), entries.row(at));
      }
    };
  }

  /** Lane memory: two entries. */
  static Op appendIndex(
      CpuKernels kernels,
      Tensor k,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    long in = HostBuffer.address(k);
    long by = HostBuffer.address(norm);
    long more = HostBuffer.address(bias);
    int cols = shape.head();
    Pages pages = new Pages(cache, batch);
    Matrix entries = Matrix.of(cache.entries());
    Angles angles = new Angles(table, batch);
    return new RowOp(k.rows(), 32L * cols) {
      @Override
      void row(int t, Lane lane) {
        int sequence = pages.sequence(t);
        if (sequence < 0) {
          return;
        }
        long entry = lane.memory();
        layerNorm(in + 4L * t * cols, by, more, eps, cols, entry);
        angles.rotate(entry, angles.of(t), entry);
        long kept = entry;
        if (shape.rotated()) {
          kept = entry + 4L * cols;
          Indexer.spread(entry, cols, kept);
        }
        int at = pages.entry(sequence, angles.position(t));
        kernels.encode(entries.encoding(), kept, cols, entries.row(at));
      }
    };
  }

  /** In double, for a key decides what is looked at at all. */
  private static void layerNorm(long x, long weight, long bias, float eps, int cols, long out) {
    double mean = 0;
    for (int i = 0; i < cols; i++) {
      mean += Memory.f32(x + 4L * i);
    }
    mean /= cols;
    double squares = 0;
    for (int i = 0; i < cols; i++) {
      double d = Memory.f32(x + 4L * i) - mean;
      squares += d * d;
    }
    double by = 1 / Math.sqrt(squares / cols + eps);
    for (int i = 0; i < cols; i++) {
      double normed = (Memory.f32(x + 4L * i) - mean) * by;
      Memory.f32(
          out + 4L * i, (float) (normed * Memory.f32(weight + 4L * i) + Memory.f32(bias + 4L * i)));
    }
  }

  /** Cosines and sines by position. */
  static final class Angles {
    private final Tensor table;
    private final long tableAt;
    private final long position;
    private final int cols;

    Angles(Tensor table, StepBatch batch) {
      this.table = table;
      this.tableAt = HostBuffer.address(table);
      this.position = HostBuffer.address(batch.position());
      this.cols = Math.toIntExact(table.cols());
    }

    int position(int t) {
      return Memory.i32(position + 4L * t);
    }

    /** Address of the table's row for token t. */
    long of(int t) {
      return at(position(t));
    }

    /** Address of the row for a position. */
    long at(int p) {
      if (p < 0 || p >= table.rows()) {
        throw new BackendException(
            "position " + p + " is outside " + table, "build the table for a longer context");
      }
      return tableAt + 4L * p * cols;
    }

    void rotate(long from, long row, long to) {
      for (long i = 0; i < 4L * cols; i += 8) {
        float cos = Memory.f32(row + i);
        float sin = Memory.f32(row + i + 4);
        float a = Memory.f32(from + i);
        float b = Memory.f32(from + i + 4);
        Memory.f32(to + i, a * cos - b * sin);
        Memory.f32(to + i + 4, a * sin + b * cos);
      }
    }
  }
}
