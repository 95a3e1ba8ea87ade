package dev.yuzui.backend.cpu;

import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.MlaShape;

/**
 * What {@link PagedAttention} needs to know of either form of attention.
 *
 * @param kvHeads parts of an entry, each read by heads of its own
 * @param heads of queries that read one such part
 * @param width numbers of a part
 * @param keys of them, the first, that are held against a query, and elements of a query
 * @param valuesAt where in a part the values begin, which may be the keys
 * @param values of a part, and elements of a result
 */
record AttentionShape(
    int kvHeads, int heads, int width, int keys, int valuesAt, int values, float scale) {

  /** An entry is one part, [c; k_rope]: the whole is a key, c the value. */
  static AttentionShape of(MlaShape s) {
    return new AttentionShape(1, s.heads(), s.entry(), s.entry(), 0, s.kvLora(), s.scale());
  }

  /** A part is [key; value]. */
  static AttentionShape of(GroupedShape s) {
    return new AttentionShape(
        s.kvHeads(), s.perGroup(), 2 * s.head(), s.head(), s.head(), s.head(), s.scale());
  }
}
