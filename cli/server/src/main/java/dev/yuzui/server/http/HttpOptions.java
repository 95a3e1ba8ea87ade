package dev.yuzui.server.http;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * How a server listens.
 *
 * @param port 0: any that is free
 * @param keys one of which a client must show, none if empty
 * @param corsOrigins whose pages may ask; {@code *} is all
 * @param maxBody bytes
 * @param headerTimeout from a connection's first moment to the end of its first request's headers
 * @param bodyTimeout from there to the end of its body
 * @param writeTimeout that a client may read nothing of an answer
 * @param tls certificate and key as PEM files
 */
public record HttpOptions(
    String host,
    int port,
    List<String> keys,
    List<String> corsOrigins,
    int maxBody,
    Duration headerTimeout,
    Duration bodyTimeout,
    Duration writeTimeout,
    Optional<Tls> tls) {
  public HttpOptions {
    keys = List.copyOf(keys);
    corsOrigins = List.copyOf(corsOrigins);
  }

  /** Files in PEM. */
  public record Tls(Path certificate, Path key) {}
}
