package dev.yuzui.parallel;

import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How many tokens each routed expert of each layer got: what a placement is made from. A token
 * counts once for each of its K experts.
 */
public final class ExpertLoads {
  private final String model;
  private final String fingerprint;
  private final int experts;
  private final SortedMap<Integer, long[]> layers = new TreeMap<>();

  /**
   * @param model for people
   * @param fingerprint of the checkpoint whose gates chose
   * @param experts of a layer
   */
  public ExpertLoads(String model, String fingerprint, int experts) {
    this.model = model;
    this.fingerprint = fingerprint;
    this.experts = experts;
  }

  public String model() {
    return model;
  }

  public String fingerprint() {
    return fingerprint;
  }

  public int experts() {
    return experts;
  }

  /** Layers that were counted, in order. */
  public List<Integer> layers() {
    return List.copyOf(layers.keySet());
  }

  /** Tokens of each expert. */
  public long[] tokens(int layer) {
    return counts(layer).clone();
  }

  public LayerLoad summary(int layer) {
    return LayerLoad.of(counts(layer));
  }

  private long[] counts(int layer) {
    long[] counts = layers.get(layer);
    if (counts == null) {
      throw new IllegalArgumentException("layer " + layer + " was not counted, only " + layers());
    }
    return counts;
  }

  /** Counts {@code tokens} more for an expert. */
  public void add(int layer, int expert, long tokens) {
    if (expert < 0 || expert >= experts || tokens < 0) {
      throw new IllegalArgumentException(
          tokens + " tokens for expert " + expert + " of " + experts);
    }
    layers.computeIfAbsent(layer, _ -> new long[experts])[expert] += tokens;
  }

  /**
   * Adds what another run counted.
   *
   * @throws ParallelException if that was another model
   */
  public void merge(ExpertLoads other) {
    if (!fingerprint.equals(other.fingerprint) || experts != other.experts) {
      throw new ParallelException(
          "the loads are of another model: expected %s (%d experts, %s), found %s (%d experts, %s)"
              .formatted(
                  model, experts, fingerprint, other.model, other.experts, other.fingerprint));
    }
    other.layers.forEach(
        (layer, counts) -> {
          for (int e = 0; e < experts; e++) {
            add(layer, e, counts[e]);
          }
        });
  }
}
