package dev.yuzui.engine.plan;

import dev.yuzui.spi.BackendProvider;
import java.util.Optional;

/**
 * A device that the user named, or the first of a backend.
 *
 * @param name for people
 * @param device as the backend knows it
 */
public record Device(String name, BackendProvider provider, Optional<String> device) {
  /** The first of a backend. */
  public static Device of(BackendProvider provider) {
    return new Device(provider.name(), provider, Optional.empty());
  }
}
