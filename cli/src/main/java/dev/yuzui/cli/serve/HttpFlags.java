package dev.yuzui.cli.serve;

import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.server.http.HttpOptions;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import picocli.CommandLine.Option;

/** How the server listens. */
final class HttpFlags {
  /** Scheme, name and perhaps a port; nothing behind them. */
  private static final Pattern ORIGIN =
      Pattern.compile("[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\\[[0-9a-f:.]+])(:\\d{1,5})?");

  @Option(
      names = "--host",
      paramLabel = "HOST",
      description =
          "Address to listen on (default: 127.0.0.1). One that others can reach needs"
              + " --api-key-file.")
  private String host = "127.0.0.1";

  @Option(
      names = "--port",
      paramLabel = "PORT",
      converter = Ranges.Count.class,
      description = "Port to listen on; 0: any that is free, which is printed (default: 8080).")
  private int port = 8080;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description =
          "Keys, one to a line; a client shows one as Authorization: Bearer KEY or X-Api-Key: KEY.")
  private Optional<Path> keyFile = Optional.empty();

  @Option(
      names = "--cors-origin",
      paramLabel = "ORIGIN",
      split = ",",
      description =
          "Pages of which sites may ask from a browser, as https://example.org; * is all (default:"
              + " none but the server's own).")
  private List<String> corsOrigins = List.of();

  @Option(
      names = "--max-body",
      paramLabel = "SIZE",
      converter = Ranges.Bytes.class,
      description = "Bytes of a request at most (default: 8M).")
  private long maxBody = 8 << 20;

  @Option(
      names = "--header-timeout",
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "From a connection to its first request's headers (default: 10s).")
  private Duration headerTimeout = Duration.ofSeconds(10);

  @Option(
      names = "--body-timeout",
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "From a request's headers to the end of its body (default: 30s).")
  private Duration bodyTimeout = Duration.ofSeconds(30);

  @Option(
      names = "--write-timeout",
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "How long a client may read nothing of an answer (default: 30s).")
  private Duration writeTimeout = Duration.ofSeconds(30);

  @Option(
      names = "--tls-cert",
      paramLabel = "FILE",
      description = "Certificate in PEM, for https; with --tls-key.")
  private Optional<Path> certificate = Optional.empty();

  @Option(names = "--tls-key", paramLabel = "FILE", description = "Its private key in PEM.")
  private Optional<Path> key = Optional.empty();

  /**
   * @throws UsageException if they do not go together
   */
  HttpOptions options() {
    if (port > 65535) {
      throw UsageException.ofFlag("--port", "0 to 65535", Integer.toString(port));
    }
    if (maxBody < 1 || maxBody > Ranges.MOST) {
      throw UsageException.ofFlag("--max-body", "1 byte to 512M", Long.toString(maxBody));
    }
    List<String> keys = keys();
    boolean loopback = isLoopback();
    if (keys.isEmpty() && !loopback) {
      throw UsageException.ofFlag(
          "--host",
          "an address of this machine alone, as 127.0.0.1, or --api-key-file beside it",
          host);
    }
    corsOrigins.forEach(HttpFlags::requireOrigin);
    return new HttpOptions(
        host,
        port,
        keys,
        corsOrigins,
        (int) maxBody,
        headerTimeout,
        bodyTimeout,
        writeTimeout,
        tls());
  }

  /** As a browser writes it; another is never met. */
  private static void requireOrigin(String origin) {
    if (!origin.equals("*") && !ORIGIN.matcher(origin).matches()) {
      throw UsageException.ofFlag(
          "--cors-origin",
          "* or an origin, as https://example.org or http://localhost:3000",
          origin);
    }
  }

  boolean isTls() {
    return certificate.isPresent();
  }

  private boolean isLoopback() {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException _) {
      throw UsageException.ofFlag("--host", "an address of this machine", host);
    }
  }

  private List<String> keys() {
    if (keyFile.isEmpty()) {
      return List.of();
    }
    List<String> keys =
        Input.read("--api-key-file", keyFile.get())
            .lines()
            .map(String::strip)
            .filter(line -> !line.isEmpty() && !line.startsWith("#"))
            .toList();
    if (keys.isEmpty()) {
      throw UsageException.ofFlag(
          "--api-key-file", "a key to a line", keyFile.get() + ", which has none");
    }
    return keys;
  }

  private Optional<HttpOptions.Tls> tls() {
    if (certificate.isPresent() != key.isPresent()) {
      throw new UsageException("--tls-cert, --tls-key: expected both or none, found one");
    }
    certificate.ifPresent(file -> requireFile("--tls-cert", file));
    key.ifPresent(file -> requireFile("--tls-key", file));
    return certificate.map(file -> new HttpOptions.Tls(file, key.orElseThrow()));
  }

  private static void requireFile(String flag, Path file) {
    if (!Files.isReadable(file)) {
      throw UsageException.ofFlag(flag, "a file that can be read", file.toString());
    }
  }
}
