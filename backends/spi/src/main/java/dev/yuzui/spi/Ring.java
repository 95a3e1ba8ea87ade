package dev.yuzui.spi;

/**
 * A layer's rows of the last tokens of each sequence, beside what the layer keeps in pages: row
 * first + s·length + p % length is of position p of sequence s, as long as no more than {@code
 * length} positions followed. The rows of the step that is under way lie apart, so that those
 * before it stay as long as it looks at them.
 *
 * @param rows [.., W] of the layer
 * @param first where the rings begin
 * @param length rows of a sequence
 * @param staged where the step's rows begin, one for each of the step, or −1
 */
public record Ring(Tensor rows, long first, int length, long staged) {

  public Ring {
    if (first < 0 || length < 1) {
      throw new IllegalArgumentException(
          "Ring: expected a place and a row at least, found %d and %d".formatted(first, length));
    }
  }

  /** Where the step's rows lie, [tokens, W]. */
  public Tensor step(int tokens) {
    return rows.slice(rows.name(), staged, tokens);
  }
}
