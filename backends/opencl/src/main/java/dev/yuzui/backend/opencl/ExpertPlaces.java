package dev.yuzui.backend.opencl;

import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * The experts of a projection, all in one buffer.
 *
 * @param stride bytes from one expert's matrix to the next's
 */
record ExpertPlaces(Tensor first, long stride) {

  /** Empty where the experts lie in several buffers or at unequal distances. */
  static Optional<ExpertPlaces> of(ExpertWeights experts) {
    List<Tensor> all = experts.experts();
    Tensor first = all.getFirst();
    long stride = all.size() == 1 ? 0 : all.get(1).byteOffset() - first.byteOffset();
    for (int e = 0; e < all.size(); e++) {
      Tensor t = all.get(e);
      if (!t.buffer().equals(first.buffer()) || t.byteOffset() != first.byteOffset() + e * stride) {
        return Optional.empty();
      }
    }
    return Optional.of(new ExpertPlaces(first, stride));
  }
}
