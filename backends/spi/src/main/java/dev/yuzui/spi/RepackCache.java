package dev.yuzui.spi;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Where a backend that repacks weights in the host's memory may keep them, for later starts to map.
 *
 * @param folder made when it is written to
 * @param model for people, and in the file's name
 * @param fingerprint tells the checkpoint from any other, wherever its files lie
 * @param bytes that the weights take at most, {@link BackendProvider#weightBytes} of all
 */
public record RepackCache(Path folder, String model, String fingerprint, long bytes) {

  /**
   * What a start would find.
   *
   * @param bytes of the file; empty where there is none
   * @param unfit why it would be made anew, if it would
   * @param room free where the file lies; empty where the system does not tell
   */
  public record State(Path file, OptionalLong bytes, Optional<String> unfit, OptionalLong room) {}
}
