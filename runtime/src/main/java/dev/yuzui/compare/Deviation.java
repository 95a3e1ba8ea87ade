package dev.yuzui.compare;

/**
 * How far numbers are from those wanted. A number that is none, where the wanted one is, makes all
 * three infinite.
 *
 * @param relative ‖found − wanted‖ / ‖wanted‖ over all tokens; of experts and entries that are
 *     chosen the share of choices that the other did not make
 * @param worstToken the largest of that among the tokens
 * @param largest |found − wanted|; 0 of chosen experts, {@link EntryChoice#passedOver} of entries
 */
public record Deviation(double relative, double worstToken, double largest) {

  /** Adds up, a row at a time. */
  static final class Sum {
    private double squares;
    private double wantedSquares;
    private double worst;
    private double largest;
    private long choices;
    private long missedChoices;

    void add(float[] found, float[] wanted, int from, int to) {
      double off = 0;
      double all = 0;
      for (int i = from; i < to; i++) {
        double difference = difference(found[i], wanted[i]);
        off += difference * difference;
        all += Double.isFinite(wanted[i]) ? (double) wanted[i] * wanted[i] : 0;
        largest = Math.max(largest, difference);
      }
      addSquares(off, all);
    }

    private static double difference(float found, float wanted) {
      if (Float.compare(found, wanted) == 0) {
        return 0;
      }
      double difference = Math.abs((double) found - wanted);
      return Double.isNaN(difference) ? Double.POSITIVE_INFINITY : difference;
    }

    /** A token of which {@code missed} of {@code used} choices are others. */
    void addChoices(int missed, int used) {
      addSquares((double) missed * missed, (double) used * used);
      choices += used;
      missedChoices += missed;
    }

    void addChoice(EntryChoice choice) {
      addChoices(choice.missed(), choice.used());
      largest = Math.max(largest, choice.passedOver());
    }

    private void addSquares(double off, double all) {
      squares += off;
      wantedSquares += all;
      worst = Math.max(worst, ratio(off, all));
    }

    private static double ratio(double off, double all) {
      return off == 0 ? 0 : Math.sqrt(off / all);
    }

    long choices() {
      return choices;
    }

    Deviation total() {
      double relative =
          choices > 0 ? (double) missedChoices / choices : ratio(squares, wantedSquares);
      return new Deviation(relative, worst, largest);
    }
  }
}
