package dev.yuzui.weights;

/**
 * Manifold-constrained hyper-connections, arXiv:2512.24880: the residual is several streams of the
 * model's width. Before a sublayer they are mixed into its input; its output is added to each, and
 * they are mixed with each other by a matrix that alternate normalisations of rows and columns make
 * nearly doubly stochastic.
 *
 * @param streams M
 * @param iterations normalisations of rows and columns
 * @param eps added to the weights of the input and in each normalisation
 */
public record HyperConnections(int streams, int iterations, float eps) {

  /** Numbers that one mix is made of: M for the input, M for the output, M × M for the streams. */
  public int mixes() {
    return (2 + streams) * streams;
  }
}
