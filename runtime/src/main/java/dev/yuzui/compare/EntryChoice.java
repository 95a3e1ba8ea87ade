package dev.yuzui.compare;

import java.util.BitSet;
import java.util.Optional;
import java.util.function.Function;

/**
 * A row's choice of entries beside the one that is wanted.
 *
 * @param missed entries of the wanted choice that it has not
 * @param used entries of the wanted choice
 * @param passedOver the largest of (I[w] − I[f]) / (reach[w] + reach[f]) over the entries w that it
 *     missed and f that it has instead: how far both keys must be off, as a share of their norms,
 *     for f to come before w. 0 of the same choice; infinite of one that is none: entries twice,
 *     too few, or ones that the row does not see
 */
record EntryChoice(int missed, int used, double passedOver) {

  /**
   * @param found positions, in columns from ≤ i < to; as in {@code wanted} negative where there is
   *     none
   * @param sees the entries that the row sees are the first so many
   * @param scores of some of them, asked for where the choices are not the same; without it
   *     passedOver is 0 where it is not infinite
   */
  static EntryChoice of(
      float[] found,
      float[] wanted,
      int from,
      int to,
      int sees,
      Optional<Function<BitSet, IndexScores.Row>> scores) {
    BitSet theirs = new BitSet();
    BitSet mine = new BitSet();
    boolean whole = true;
    for (int i = from; i < to; i++) {
      if (wanted[i] >= 0) {
        theirs.set((int) wanted[i]);
      }
      whole &= wanted[i] >= 0 ? found[i] >= 0 && found[i] < sees : found[i] == -1;
      if (found[i] >= 0) {
        whole &= !mine.get((int) found[i]);
        mine.set((int) found[i]);
      }
    }
    BitSet missed = (BitSet) theirs.clone();
    missed.andNot(mine);
    BitSet instead = (BitSet) mine.clone();
    instead.andNot(theirs);
    double passedOver =
        !whole
            ? Double.POSITIVE_INFINITY
            : missed.isEmpty() ? 0 : scores.map(s -> most(missed, instead, s)).orElse(0.0);
    return new EntryChoice(missed.cardinality(), theirs.cardinality(), passedOver);
  }

  private static double most(
      BitSet missed, BitSet instead, Function<BitSet, IndexScores.Row> scores) {
    BitSet both = (BitSet) missed.clone();
    both.or(instead);
    IndexScores.Row row = scores.apply(both);
    double most = 0;
    for (int w = missed.nextSetBit(0); w >= 0; w = missed.nextSetBit(w + 1)) {
      for (int f = instead.nextSetBit(0); f >= 0; f = instead.nextSetBit(f + 1)) {
        double gap = row.of()[w] - row.of()[f];
        most = gap > 0 ? Math.max(most, gap / (row.reach()[w] + row.reach()[f])) : most;
      }
    }
    return most;
  }
}
