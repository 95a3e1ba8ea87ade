package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;

/**
 * The weights of a product.
 *
 * @param w their address, or with {@code experts} that of the table of addresses
 * @param n rows a head
 */
record Weight(long w, Encoding encoding, long n, long k, int heads, int experts) {
  boolean tiled() {
    return !encoding.equals(Encoding.F32) && (heads == 1 || n % Tiles.ROWS == 0);
  }

  String kernel(String stem) {
    return stem + "_" + Tiles.suffix(encoding);
  }
}
