package dev.yuzui.backend.opencl;

import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the experts of a projection lie: in one buffer, or in several where a device's buffers may
 * not be as large as all of them.
 */
record ExpertPlaces(List<Part> parts) {
  ExpertPlaces {
    parts = List.copyOf(parts);
  }

  /**
   * Experts {@code from} … {@code from + count − 1}, in one buffer.
   *
   * @param stride bytes from one expert's matrix to the next's
   */
  record Part(int from, int count, Tensor first, long stride) {
    boolean continues(Tensor t) {
      return t.buffer().equals(first.buffer())
          && (count == 1 || t.byteOffset() == at(from + count))
          && t.byteOffset() > first.byteOffset();
    }

    /** Where expert {@code e} begins in the buffer. */
    long at(int e) {
      return first.byteOffset() + (e - from) * stride;
    }

    private Part and(Tensor t) {
      return new Part(
          from, count + 1, first, count == 1 ? t.byteOffset() - first.byteOffset() : stride);
    }
  }

  /** As few parts as the experts' order allows. */
  static ExpertPlaces of(ExpertWeights experts) {
    List<Part> parts = new ArrayList<>();
    for (int e = 0; e < experts.count(); e++) {
      Tensor t = experts.experts().get(e);
      if (parts.isEmpty() || !parts.getLast().continues(t)) {
        parts.add(new Part(e, 1, t, 0));
      } else {
        parts.add(parts.removeLast().and(t));
      }
    }
    return new ExpertPlaces(parts);
  }

  /**
   * Whether each part but the last has {@code most} experts: then those of two projections that are
   * multiplied together end where the other's do.
   */
  boolean evenly(int most) {
    return parts.stream().allMatch(p -> p.from() % most == 0);
  }

  /** The part that has expert {@code e}. */
  Part part(int e) {
    return parts.stream().filter(p -> e < p.from() + p.count()).findFirst().orElseThrow();
  }
}
