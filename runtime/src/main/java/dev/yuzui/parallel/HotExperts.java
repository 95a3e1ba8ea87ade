package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The experts of all layers that are worth a fast device's memory: those that, byte for byte, the
 * largest share of their layer's tokens goes to.
 */
public final class HotExperts {
  private HotExperts() {}

  /**
   * @param layer position in the lists given
   */
  private record Candidate(int layer, int expert, double share, long bytes) {
    double worth() {
      return share / Math.max(1, bytes);
    }
  }

  /**
   * @param budget bytes
   * @param tokens of each expert, for each layer; equal ones where nothing is known, which gives
   *     each layer's first experts
   * @param bytes of one expert, for each layer
   * @return the experts of each layer that are chosen, in ascending order
   */
  public static List<List<Integer>> within(long budget, List<long[]> tokens, long[] bytes) {
    List<Candidate> candidates = new ArrayList<>();
    int most = tokens.stream().mapToInt(t -> t.length).max().orElse(0);
    for (int e = 0; e < most; e++) {
      for (int layer = 0; layer < bytes.length; layer++) {
        if (e < tokens.get(layer).length) {
          candidates.add(new Candidate(layer, e, share(tokens.get(layer), e), bytes[layer]));
        }
      }
    }
    // equally worthy ones stay in order, so that all layers have as many of them
    candidates.sort(Comparator.comparingDouble(Candidate::worth).reversed());
    List<List<Integer>> chosen = new ArrayList<>();
    IntStream.range(0, bytes.length).forEach(_ -> chosen.add(new ArrayList<>()));
    long left = budget;
    for (Candidate c : candidates) {
      if (c.bytes <= left) {
        left -= c.bytes;
        chosen.get(c.layer).add(c.expert);
      }
    }
    return chosen.stream().map(layer -> layer.stream().sorted().toList()).toList();
  }

  private static double share(long[] tokens, int expert) {
    long all = Arrays.stream(tokens).sum();
    return all == 0 ? 1.0 / tokens.length : (double) tokens[expert] / all;
  }

  /** Of the tokens' choices, the part that goes to {@code chosen}, on average over the layers. */
  public static double share(List<long[]> tokens, List<List<Integer>> chosen) {
    return IntStream.range(0, tokens.size())
        .mapToDouble(
            layer -> chosen.get(layer).stream().mapToDouble(e -> share(tokens.get(layer), e)).sum())
        .average()
        .orElse(1);
  }
}
