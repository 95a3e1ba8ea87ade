package dev.yuzui.spi;

import java.util.List;
import java.util.Optional;

/** Found by {@link java.util.ServiceLoader}. */
public interface BackendProvider {
  /** What users type after {@code --backend}. */
  String name();

  /** Higher is tried first when the user names no backend; negative never is. */
  int preference();

  /** Cheap; never throws. */
  Probe probe();

  /** Every device, {@link #probe}'s among them; cheap, never throws. */
  default List<Probe> probeAll() {
    return List.of(probe());
  }

  /**
   * The device that {@link #open} takes for this name; the one of {@link #probe()} without.
   *
   * @throws IllegalArgumentException for a name that {@link #open} does not know
   */
  default Probe probe(Optional<String> device) {
    return probe();
  }

  /**
   * Bytes of the device's memory that {@code count} weights take once they are uploaded together;
   * more than one are the experts of a projection. Asked before anything is opened or read. 0 where
   * weights stay where the file is mapped.
   *
   * @param repack as in {@link BackendOptions}
   */
  default long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    long scales = encoding instanceof Encoding.Fp8Tiled t ? 4 * t.scaleCount(rows, cols) : 0;
    return count * (encoding.byteSize(rows, cols) + scales);
  }

  /** What is in a repack cache, whose data is not read; empty where the device keeps none. */
  default Optional<RepackCache.State> repacked(RepackCache cache, Optional<String> device) {
    return Optional.empty();
  }

  /** Whether it computes on the host's processor, where what fits on no other device may lie. */
  default boolean host() {
    return false;
  }

  /** Prompt tokens that are best read in one step. */
  default int promptTokens() {
    return 512;
  }

  /**
   * A device's backend is an {@link AbstractBackend}, whose calls check their arguments.
   *
   * @throws BackendException when the device cannot be opened
   */
  Backend open(BackendOptions options);

  sealed interface Probe {
    /** {@code bytes}: memory of the device that is free now. */
    record Usable(String device, long bytes) implements Probe {}

    record Unusable(String because, String fix) implements Probe {}
  }
}
