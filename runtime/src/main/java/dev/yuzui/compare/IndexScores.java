package dev.yuzui.compare;

import dev.yuzui.model.Point;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.AttentionConfig.Indexer;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the lightning indexer (DeepSeek-V3.2 report, §2.1) makes of a trace's queries, keys and
 * weights, in double and from keys that no cache has rounded: I[t,s] = Σh w[t,h]·relu(q[t,h]·k[s]).
 * Constant factors are left out.
 */
final class IndexScores {
  private final Trace trace;
  private final Checkpoint checkpoint;
  private final Indexer shape;
  private final double[] frequencies;
  private final double factor;
  private final Map<Integer, List<double[]>> keys = new HashMap<>(); // by layer

  /**
   * @param checkpoint of a model with an indexer
   */
  IndexScores(Trace trace, Checkpoint checkpoint) {
    DeepseekConfig config = checkpoint.config();
    this.trace = trace;
    this.checkpoint = checkpoint;
    this.shape = ((AttentionConfig.Latent) config.attention()).indexer().orElseThrow();
    this.frequencies = config.ropeFrequencies();
    this.factor = config.ropeFactor();
  }

  /**
   * A row's scores.
   *
   * @param of each entry that they were asked of; 0 of others, as {@code reach}
   * @param reach ‖∂I/∂k‖·‖k‖ of each: a key that is off by a share ε of its norm moves its score by
   *     ε·reach at most
   */
  record Row(double[] of, double[] reach) {}

  /**
   * @param of entries that the row sees
   */
  Row row(int step, int layer, int t, BitSet of) {
    int position = trace.start(step) + t;
    int heads = shape.heads();
    int size = shape.head();
    float[] queries = trace.at(step, layer, Point.INDEX_QUERY);
    float[] weights = trace.at(step, layer, Point.INDEX_WEIGHTS);
    double[][] q = new double[heads][];
    for (int h = 0; h < heads; h++) {
      q[h] = rotated(doubles(queries, (t * heads + h) * size, size), position);
    }
    double[] score = new double[position + 1];
    double[] reach = new double[position + 1];
    double[] slope = new double[size];
    for (int s = of.nextSetBit(0); s >= 0; s = of.nextSetBit(s + 1)) {
      double[] k = keys(layer).get(s);
      Arrays.fill(slope, 0);
      for (int h = 0; h < heads; h++) {
        double dot = dot(q[h], k);
        double w = weights[t * heads + h];
        if (dot > 0) {
          score[s] += w * dot;
          for (int i = 0; i < size; i++) {
            slope[i] += w * q[h][i];
          }
        }
      }
      reach[s] = Math.sqrt(dot(slope, slope) * dot(k, k));
    }
    return new Row(score, reach);
  }

  /** Of all positions of the trace, as they are before they are kept. */
  private List<double[]> keys(int layer) {
    return keys.computeIfAbsent(layer, this::made);
  }

  private List<double[]> made(int layer) {
    float[] weight = Dequantizer.all(checkpoint.tensor(Part.INDEX_K_NORM, layer));
    float[] bias = Dequantizer.all(checkpoint.tensor(Part.INDEX_K_BIAS, layer));
    List<double[]> made = new ArrayList<>();
    for (int step = 0; trace.has(step, layer, Point.INDEX_KEY); step++) {
      float[] rows = trace.at(step, layer, Point.INDEX_KEY);
      for (int at = 0; at < rows.length; at += shape.head()) {
        double[] key = normed(doubles(rows, at, shape.head()), weight, bias);
        made.add(rotated(key, made.size()));
      }
    }
    return made;
  }

  private static double[] normed(double[] x, float[] weight, float[] bias) {
    double mean = 0;
    for (double v : x) {
      mean += v / x.length;
    }
    double variance = 0;
    for (double v : x) {
      variance += (v - mean) * (v - mean) / x.length;
    }
    double by = 1 / Math.sqrt(variance + Indexer.NORM_EPS);
    for (int i = 0; i < x.length; i++) {
      x[i] = (x[i] - mean) * by * weight[i] + bias[i];
    }
    return x;
  }

  /** The first elements, in pairs. */
  private double[] rotated(double[] x, int position) {
    for (int i = 0; i < frequencies.length; i++) {
      double cos = Math.cos(position * frequencies[i]) * factor;
      double sin = Math.sin(position * frequencies[i]) * factor;
      double a = x[2 * i];
      double b = x[2 * i + 1];
      x[2 * i] = a * cos - b * sin;
      x[2 * i + 1] = a * sin + b * cos;
    }
    return x;
  }

  private static double[] doubles(float[] x, int from, int count) {
    double[] out = new double[count];
    for (int i = 0; i < count; i++) {
      out[i] = x[from + i];
    }
    return out;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
