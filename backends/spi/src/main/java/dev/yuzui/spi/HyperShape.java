package dev.yuzui.spi;

/**
 * The constants of manifold-constrained hyper-connections (arXiv:2512.24880; DeepSeek-V4): a
 * residual of several streams, of which each layer reads one mixture and to which it writes.
 *
 * @param streams S
 * @param iterations of Sinkhorn and Knopp's normalisation, the first included
 * @param eps that is added to coefficients and to their sums
 * @param normEps of the norm of the streams that coefficients are made from
 */
public record HyperShape(int streams, int iterations, float eps, float normEps) {

  public HyperShape {
    if (streams < 1 || streams > 8 || iterations < 1) {
      throw new IllegalArgumentException(
          "HyperShape: expected 1 to 8 streams and an iteration at least, found %d and %d"
              .formatted(streams, iterations));
    }
  }

  /** Coefficients that a layer's streams give: what it reads, what it writes, and what stays. */
  public int mixes() {
    return streams * (2 + streams);
  }

  /** Coefficients that {@link CompressedOps#writeStreams} needs. */
  public int kept() {
    return streams * (1 + streams);
  }
}
