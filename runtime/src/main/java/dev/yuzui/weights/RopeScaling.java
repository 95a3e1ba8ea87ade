package dev.yuzui.weights;

import java.util.Arrays;
import java.util.List;

/** How a model's rotations were stretched to a longer context than it was first trained for. */
public sealed interface RopeScaling {
  RopeScaling NONE = new None();

  /**
   * Radians per position of each pair.
   *
   * @param plain without scaling: theta^(−2i/R)
   */
  double[] frequencies(double[] plain, double theta);

  /** What cos and sin are multiplied by. */
  double factor();

  /** What scores are multiplied by, beside 1/√(elements of a query). */
  double scores();

  /** As it was trained. */
  record None() implements RopeScaling {
    @Override
    public double[] frequencies(double[] plain, double theta) {
      return plain;
    }

    @Override
    public double factor() {
      return 1;
    }

    @Override
    public double scores() {
      return 1;
    }
  }

  /** Every angle is divided by {@code by}, at every position. */
  record Linear(double by) implements RopeScaling {
    @Override
    public double[] frequencies(double[] plain, double theta) {
      return Arrays.stream(plain).map(f -> f / by).toArray();
    }

    @Override
    public double factor() {
      return 1;
    }

    @Override
    public double scores() {
      return 1;
    }
  }

  /**
   * Llama 3.1: pairs that turn {@code highFactor} times and more within the original context stay,
   * those that turn less than {@code lowFactor} times are divided by {@code by}, between the two it
   * is interpolated.
   */
  record Llama3(double by, double lowFactor, double highFactor, int originalContext)
      implements RopeScaling {
    @Override
    public double[] frequencies(double[] plain, double theta) {
      return Arrays.stream(plain)
          .map(
              f -> {
                double turns = originalContext * f / (2 * Math.PI);
                double kept = Math.clamp((turns - lowFactor) / (highFactor - lowFactor), 0, 1);
                return f * ((1 - kept) / by + kept);
              })
          .toArray();
    }

    @Override
    public double factor() {
      return 1;
    }

    @Override
    public double scores() {
      return 1;
    }
  }

  /**
   * What each pair's angle is divided by: what GGUF files have in place of {@link Llama3}.
   *
   * @param by of each pair
   */
  record Divisors(List<Double> by) implements RopeScaling {
    public Divisors {
      by = List.copyOf(by);
    }

    @Override
    public double[] frequencies(double[] plain, double theta) {
      double[] f = plain.clone();
      for (int i = 0; i < f.length; i++) {
        f[i] /= by.get(i);
      }
      return f;
    }

    @Override
    public double factor() {
      return 1;
    }

    @Override
    public double scores() {
      return 1;
    }
  }

  /**
   * YaRN, arXiv:2309.00071 §3.2: pairs that turn often stay, those that turn seldom are divided by
   * {@code by}.
   *
   * @param mscale and {@code mscaleAllDim}: cos and sin are multiplied by
   *     m(mscale)/m(mscaleAllDim), the scores by m(mscaleAllDim)², with m(x) = 0.1·x·ln(by) + 1
   * @param attention what cos and sin are multiplied by besides; 1 where nothing says otherwise
   */
  record Yarn(
      double by,
      int originalContext,
      double betaFast,
      double betaSlow,
      double mscale,
      double mscaleAllDim,
      double attention)
      implements RopeScaling {

    private double m(double x) {
      return by > 1 ? 0.1 * x * Math.log(by) + 1 : 1;
    }

    @Override
    public double factor() {
      return m(mscale) / m(mscaleAllDim) * attention;
    }

    @Override
    public double scores() {
      return m(mscaleAllDim) * m(mscaleAllDim);
    }

    @Override
    public double[] frequencies(double[] plain, double theta) {
      double[] f = plain.clone();
      int dims = 2 * f.length;
      double low = Math.max(Math.floor(correction(betaFast, dims, theta)), 0);
      double high = Math.min(Math.ceil(correction(betaSlow, dims, theta)), dims - 1);
      for (int i = 0; i < f.length; i++) {
        double ramp = Math.clamp((i - low) / Math.max(0.001, high - low), 0, 1);
        f[i] *= (1 - ramp) + ramp / by;
      }
      return f;
    }

    private double correction(double rotations, int dims, double theta) {
      return dims * Math.log(originalContext / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }
  }
}
