package dev.yuzui.spi;

/** Found by {@link java.util.ServiceLoader}. */
public interface BackendProvider {
  /** What users type after {@code --backend}. */
  String name();

  /** Higher is tried first when the user names no backend; negative never is. */
  int preference();

  /** Cheap; never throws. */
  Probe probe();

  /**
   * @throws BackendException when the device cannot be opened
   */
  Backend open(BackendOptions options);

  sealed interface Probe {
    /** {@code bytes}: memory of the device that is free now. */
    record Usable(String device, long bytes) implements Probe {}

    record Unusable(String because, String fix) implements Probe {}
  }
}
