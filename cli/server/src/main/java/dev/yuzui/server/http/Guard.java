package dev.yuzui.server.http;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.net.HostAndPort;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Who may ask, and what every answer says to browsers. */
record Guard(HttpOptions options) {
  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
          + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  /** Headers of every answer. */
  void decorate(HttpServerRequest request, HttpServerResponse response) {
    response
        .putHeader("X-Content-Type-Options", "nosniff")
        .putHeader("Referrer-Policy", "no-referrer")
        .putHeader("Content-Security-Policy", POLICY)
        .putHeader("Cache-Control", "no-store");
    allowed(request)
        .ifPresent(
            origin ->
                response
                    .putHeader("Access-Control-Allow-Origin", origin)
                    .putHeader("Vary", "Origin"));
  }

  /** A browser's question ahead of a page's request. */
  boolean isPreflight(HttpServerRequest request) {
    return request.method().equals(HttpMethod.OPTIONS)
        && request.getHeader("Access-Control-Request-Method") != null;
  }

  void preflight(HttpServerRequest request, HttpServerResponse response) {
    if (allowed(request).isPresent()) {
      response
          .putHeader("Access-Control-Allow-Methods", "GET, POST")
          .putHeader(
              "Access-Control-Allow-Headers",
              Optional.ofNullable(request.getHeader("Access-Control-Request-Headers"))
                  .orElse("Authorization, Content-Type, X-Api-Key"))
          .putHeader("Access-Control-Max-Age", "600");
    }
    response.setStatusCode(204).end();
  }

  private Optional<String> allowed(HttpServerRequest request) {
    return Optional.ofNullable(request.getHeader("Origin"))
        .filter(
            origin -> options.corsOrigins().contains("*") || options.corsOrigins().contains(origin))
        .map(origin -> options.corsOrigins().contains("*") ? "*" : origin);
  }

  /** Why the request is not answered, if it is not. */
  Optional<HttpProblem> refusal(HttpServerRequest request, Route route) {
    if (!knownHost(request)) {
      return Optional.of(
          HttpProblem.of(
              403,
              "host_not_allowed",
              "Host: expected localhost, or the address that the server listens on, found another"
                  + " name; a server with --api-key-file answers to any"));
    }
    if (!route.open() && !options.keys().isEmpty() && !hasKey(request)) {
      return Optional.of(
          HttpProblem.of(
                  401,
                  "invalid_api_key",
                  "expected a key of this server's, as Authorization: Bearer KEY or X-Api-Key: KEY,"
                      + " found "
                      + (shown(request).isPresent() ? "another" : "none"))
              .withHeader("WWW-Authenticate", "Bearer"));
    }
    if (route.method().equals("POST") && !isJson(request.getHeader("Content-Type"))) {
      return Optional.of(
          HttpProblem.of(415, "unsupported_media_type", "Content-Type: expected application/json"));
    }
    return Optional.empty();
  }

  /**
   * A page of somebody else's whose name was made to point here is stopped by the name that its
   * browser sends. Where a key is needed such a page has none.
   */
  private boolean knownHost(HttpServerRequest request) {
    if (!options.keys().isEmpty()) {
      return true;
    }
    if (request.getHeader(HttpHeaders.HOST) == null) {
      return true; // HTTP/1.0, which no browser speaks
    }
    HostAndPort said = request.authority();
    if (said == null) {
      return false; // a name that browsers may know what to do with
    }
    String name =
        said.host().toLowerCase(Locale.ROOT).replaceAll("[\\[\\]]", "").replaceAll("\\.$", "");
    return name.equals("localhost")
        || name.endsWith(".localhost")
        || name.equals(options.host().toLowerCase(Locale.ROOT))
        || name.matches("[0-9.]+")
        || name.contains(":");
  }

  private boolean hasKey(HttpServerRequest request) {
    return shown(request).filter(key -> matches(options.keys(), key)).isPresent();
  }

  private static Optional<String> shown(HttpServerRequest request) {
    return Optional.ofNullable(request.getHeader("Authorization"))
        .filter(value -> value.regionMatches(true, 0, "Bearer ", 0, 7))
        .map(value -> value.substring(7).strip())
        .or(() -> Optional.ofNullable(request.getHeader("X-Api-Key")));
  }

  /** In a time that says nothing of how much of a key was right. */
  private static boolean matches(List<String> keys, String shown) {
    byte[] given = digest(shown);
    boolean found = false;
    for (String key : keys) {
      found |= MessageDigest.isEqual(digest(key), given);
    }
    return found;
  }

  private static byte[] digest(String key) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  private static boolean isJson(String type) {
    return type != null
        && type.toLowerCase(Locale.ROOT).split(";", 2)[0].strip().equals("application/json");
  }
}
