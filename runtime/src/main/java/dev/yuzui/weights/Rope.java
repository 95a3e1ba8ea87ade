package dev.yuzui.weights;

/**
 * How positions rotate pairs of elements.
 *
 * @param theta the base of the angles
 */
public record Rope(double theta, RopeScaling scaling) {

  /** Radians per position of each pair of {@code elements}. */
  public double[] frequencies(int elements) {
    double[] f = new double[elements / 2];
    for (int i = 0; i < f.length; i++) {
      f[i] = Math.pow(theta, -2.0 * i / elements);
    }
    return scaling.frequencies(f, theta);
  }
}
