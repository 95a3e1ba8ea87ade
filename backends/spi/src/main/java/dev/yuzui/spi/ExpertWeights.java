package dev.yuzui.spi;

import java.util.ArrayList;
import java.util.List;

/**
 * One projection of every routed expert of a layer. Experts are tensors of their own, all of one
 * encoding and shape: a GGUF holds them in one block, a Hugging Face folder apart, and a balancer
 * places them one by one.
 */
public record ExpertWeights(String name, List<Tensor> experts) {
  public ExpertWeights {
    experts = List.copyOf(experts);
    Tensor first = experts.getFirst();
    for (Tensor t : experts) {
      if (!t.encoding().equals(first.encoding())
          || t.rows() != first.rows()
          || t.cols() != first.cols()) {
        throw new IllegalArgumentException(name + ": experts differ: " + first + " and " + t);
      }
    }
  }

  /** The experts, another one at {@code index}. */
  public ExpertWeights with(int index, Tensor expert) {
    List<Tensor> all = new ArrayList<>(experts);
    all.set(index, expert);
    return new ExpertWeights(name, all);
  }

  public int count() {
    return experts.size();
  }

  public Encoding encoding() {
    return experts.getFirst().encoding();
  }

  public long rows() {
    return experts.getFirst().rows();
  }

  public long cols() {
    return experts.getFirst().cols();
  }
}
