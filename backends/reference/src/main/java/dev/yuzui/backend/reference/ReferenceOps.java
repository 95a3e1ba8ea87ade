package dev.yuzui.backend.reference;

import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.DelegatingCompressedOps;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;

/** Each op: its formula. */
final class ReferenceOps implements Ops, DelegatingCompressedOps {
  private final Consumer<Runnable> queue;
  private final Scratch scratch;
  private final CompressedOps compressed;

  ReferenceOps(Consumer<Runnable> queue, Scratch scratch) {
    this.queue = queue;
    this.scratch = scratch;
    this.compressed = new ReferenceCompressedOps(queue);
  }

  @Override
  public Scratch scratch() {
    return scratch;
  }

  @Override
  public CompressedOps compressed() {
    return compressed;
  }

  /** out[t] = table[row[t]] */
  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    queue.accept(
        () -> {
          Matrix from = Matrix.of(table);
          Matrix index = Matrix.of(row);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.rows(); t++) {
            to.set(t, doubles(from.row(index.integer(0, t))));
          }
        });
  }

  /** out[t] = x[t] / √(mean(x[t]²) + eps) · weight */
  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    queue.accept(
        () -> {
          Matrix from = Matrix.of(x);
          Matrix to = Matrix.of(out);
          float[] w = Matrix.of(weight).row(0);
          for (int t = 0; t < to.rows(); t++) {
            to.set(t, normed(from.row(t), w, eps));
          }
        });
  }

  /** The first weight.length elements of x, normalised. */
  static double[] normed(float[] x, float[] weight, float eps) {
    int count = weight.length;
    double scale = 1 / Math.sqrt(Matrix.dot(x, 0, x, 0, count) / count + eps);
    double[] y = new double[count];
    for (int i = 0; i < count; i++) {
      y[i] = x[i] * scale * weight[i];
    }
    return y;
  }

  /** out = a + b */
  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    queue.accept(
        () -> {
          Matrix left = Matrix.of(a);
          Matrix right = Matrix.of(b);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.rows(); t++) {
            double[] y = doubles(left.row(t));
            float[] more = right.row(t);
            for (int i = 0; i < y.length; i++) {
              y[i] += more[i];
            }
            to.set(t, y);
          }
        });
  }

  /** x[t] += row */
  @Override
  public void addRow(Tensor x, Tensor row) {
    queue.accept(
        () -> {
          Matrix to = Matrix.of(x);
          float[] more = Matrix.of(row).row(0);
          for (int t = 0; t < to.rows(); t++) {
            double[] y = doubles(to.row(t));
            for (int i = 0; i < y.length; i++) {
              y[i] += more[i];
            }
            to.set(t, y);
          }
        });
  }

  /** out[t] = [a[t]; b[t]] */
  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    queue.accept(
        () -> {
          Matrix left = Matrix.of(a);
          Matrix right = Matrix.of(b);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.rows(); t++) {
            to.set(t, doubles(left.row(t)));
            to.set(t, left.cols(), doubles(right.row(t)));
          }
        });
  }

  /** out = gate / (1 + e^−gate) · up */
  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    queue.accept(
        () -> {
          Matrix gates = Matrix.of(gate);
          Matrix ups = Matrix.of(up);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.rows(); t++) {
            double[] y = doubles(gates.row(t));
            float[] u = ups.row(t);
            for (int i = 0; i < y.length; i++) {
              y[i] = y[i] / (1 + Math.exp(-y[i])) * u[i];
            }
            to.set(t, y);
          }
        });
  }

  /** out[t, n] = Σk x[t, k]·w[n, k] */
  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    queue.accept(() -> perHead(x, 0, w, 1, out, 0));
  }

  /** out[t, h, outOffset + n] = Σk x[t, h, xOffset + k]·w[h·n' + n, k] */
  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    queue.accept(() -> perHead(x, xOffset, w, heads, out, outOffset));
  }

  private static void perHead(
      Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    Matrix from = Matrix.of(x);
    Matrix weight = Matrix.of(w);
    Matrix to = Matrix.of(out);
    int n = weight.rows() / heads;
    int xStride = from.cols() / heads;
    int outStride = to.cols() / heads;
    float[][] rows = rows(from);
    double[] y = new double[1];
    for (int i = 0; i < weight.rows(); i++) {
      float[] wi = weight.row(i);
      int h = i / n;
      for (int t = 0; t < rows.length; t++) {
        y[0] = Matrix.dot(rows[t], h * xStride + xOffset, wi, 0, wi.length);
        to.set(t, h * outStride + outOffset + i % n, y);
      }
    }
  }

  /** out[t, h, outOffset + i] = x[t, h, xOffset + i] */
  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    queue.accept(
        () -> {
          Matrix from = Matrix.of(x);
          Matrix to = Matrix.of(out);
          double[] part = new double[count];
          for (int t = 0; t < to.rows(); t++) {
            float[] row = from.row(t);
            for (int h = 0; h < heads; h++) {
              for (int i = 0; i < count; i++) {
                part[i] = row[h * (from.cols() / heads) + xOffset + i];
              }
              to.set(t, h * (to.cols() / heads) + outOffset, part);
            }
          }
        });
  }

  @Override
  public void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    queue.accept(() -> Attention.rope(x, xOffset, heads, table, batch, out, outOffset));
  }

  @Override
  public void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    queue.accept(() -> Attention.append(kv, norm, eps, table, cache, batch));
  }

  @Override
  public void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    queue.accept(() -> Attention.absorbed(q, cache, shape, batch, out));
  }

  @Override
  public void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    queue.accept(() -> Attention.append(k, v, table, cache, shape, batch));
  }

  @Override
  public void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    queue.accept(() -> Attention.grouped(q, cache, shape, batch, out));
  }

  @Override
  public void appendIndex(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    queue.accept(() -> Indexer.append(keys, norm, bias, eps, table, cache, shape, batch));
  }

  @Override
  public void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    queue.accept(() -> Indexer.select(q, weights, keys, shape, batch, out));
  }

  /** The expanded form, so that the two forms can be held against each other. */
  @Override
  public void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    queue.accept(() -> Attention.expanded(q, cache, keyUp, valueUp, shape, batch, out));
  }

  @Override
  public void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    queue.accept(() -> Experts.route(logits, bias, rule, batch, ids, weights));
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    queue.accept(() -> Experts.permute(ids, out));
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    queue.accept(() -> Experts.groupedMatmul(x, gather, w, dispatch, out));
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    queue.accept(() -> Experts.combine(y, dispatch, weights, base, out));
  }

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
    queue.accept(
        () -> {
          Matrix from = Matrix.of(logits);
          Matrix columns = Matrix.of(ids);
          Matrix to = Matrix.of(values);
          for (int t = 0; t < from.rows(); t++) {
            double[] row = doubles(from.row(t));
            Arrays.setAll(row, i -> Double.isNaN(row[i]) ? Double.NEGATIVE_INFINITY : row[i]);
            int[] best = Experts.best(row, columns.cols());
            for (int k = 0; k < best.length; k++) {
              columns.setInteger(t, k, best[k]);
            }
            to.set(t, Arrays.stream(best).mapToDouble(i -> row[i]).toArray());
          }
        });
  }

  static float[][] rows(Matrix matrix) {
    float[][] rows = new float[matrix.rows()][];
    for (int r = 0; r < rows.length; r++) {
      rows[r] = matrix.row(r);
    }
    return rows;
  }

  static double[] doubles(float[] x) {
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i];
    }
    return y;
  }
}
