package dev.yuzui.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.channels.UnresolvedAddressException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLHandshakeException;

/**
 * Requests to a hub, and to where it sends them. The token goes to the endpoint's own origin alone,
 * over https or within this machine; a connection that falls silent is cut.
 */
final class HubHttp implements AutoCloseable {
  private static final int MOST_REDIRECTS = 10;
  private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
  private static final Set<Integer> PASSING = Set.of(408, 425, 429, 500, 502, 503, 504);
  private static final Duration CONNECT = Duration.ofSeconds(10);
  private static final long SLICE_MILLIS = 50;
  private static final Pattern CONTENT_RANGE =
      Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18}|\\*)");

  private final HubOptions options;
  private final Patience patience;
  private final Patience.Stop stop;
  private final HttpClient client;
  private final ExecutorService sending = Executors.newVirtualThreadPerTaskExecutor();
  private final Set<Body> open = ConcurrentHashMap.newKeySet();
  private final Thread watch;
  private volatile boolean ended;

  HubHttp(HubOptions options, Patience patience, Patience.Stop stop) {
    this.options = options;
    this.patience = patience;
    this.stop = () -> ended || stop.getAsBoolean();
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .followRedirects(HttpClient.Redirect.NEVER)
            // connections that share none, for the parts of a file
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(min(CONNECT, patience.silence()));
    options
        .proxy()
        .map(HubHttp::resolved)
        .ifPresent(address -> builder.proxy(ProxySelector.of(address)));
    client = builder.build();
    watch = Thread.ofVirtual().name("hub-silence").start(this::watch);
  }

  private static Duration min(Duration a, Duration b) {
    return a.compareTo(b) < 0 ? a : b;
  }

  private static InetSocketAddress resolved(InetSocketAddress address) {
    return new InetSocketAddress(address.getHostString(), address.getPort());
  }

  /** An answer, after all redirects. */
  record Reply(URI address, int status, HttpResponse<InputStream> response, Body body)
      implements AutoCloseable {
    Optional<String> header(String name) {
      return response.headers().firstValue(name);
    }

    /** Of the whole body, where it was said. */
    long length() {
      return response.headers().firstValueAsLong("Content-Length").orElse(-1);
    }

    /** The bytes that a part has of the file, as the server says; empty if it does not. */
    Optional<Range> range() {
      return header("Content-Range")
          .map(
              text -> {
                Matcher m = CONTENT_RANGE.matcher(text.strip());
                return m.matches()
                    ? new Range(Long.parseLong(m.group(1)), Long.parseLong(m.group(2)) + 1)
                    : new Range(-1, -1);
              });
    }

    @Override
    public void close() {
      body.close();
    }
  }

  /**
   * Bytes of a file.
   *
   * @param to behind the last
   */
  record Range(long from, long to) {
    long length() {
      return to - from;
    }
  }

  /** A body that knows when its last byte came. */
  final class Body extends FilterInputStream {
    private volatile long last = System.nanoTime();

    Body(InputStream in) {
      super(in);
      open.add(this);
    }

    @Override
    public int read(byte[] bytes, int from, int count) throws IOException {
      int n = super.read(bytes, from, count);
      last = System.nanoTime();
      return n;
    }

    @Override
    public void close() {
      open.remove(this);
      try {
        super.close();
      } catch (IOException _) {
        // nobody reads it any more
      }
    }
  }

  /** Cuts what has been silent for too long, and everything when nobody wants it any more. */
  private void watch() {
    try {
      while (!Thread.interrupted()) {
        Thread.sleep(SLICE_MILLIS);
        long before = System.nanoTime() - patience.silence().toNanos();
        boolean all = stop.getAsBoolean();
        open.stream().filter(body -> all || body.last - before < 0).forEach(Body::close);
      }
    } catch (InterruptedException _) {
      // closed
    }
  }

  /**
   * The answer to a GET, whatever it is but a redirect or one that may be another the next time.
   *
   * @throws HubException if none comes
   */
  Reply get(URI address, Optional<Range> range, Patience.Attempts attempts) {
    while (true) {
      try {
        Reply reply = redirected(address, range);
        if (!PASSING.contains(reply.status())) {
          return reply;
        }
        reply.close();
        attempts.failed(
            host(reply.address()) + " answered " + reply.status(), retryAfter(reply.response()));
      } catch (IOException e) {
        attempts.failed(host(address) + ": " + reason(e), Optional.empty());
      }
    }
  }

  private Reply redirected(URI first, Optional<Range> range) throws IOException {
    URI address = first;
    for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
      HttpResponse<InputStream> response = send(request(address, range));
      Body body = new Body(response.body());
      if (!REDIRECTS.contains(response.statusCode())) {
        return new Reply(address, response.statusCode(), response, body);
      }
      body.close();
      address = next(address, response);
    }
    throw HubException.system(
        host(first)
            + ": redirected more than "
            + MOST_REDIRECTS
            + " times; is the endpoint right?");
  }

  private static URI next(URI from, HttpResponse<InputStream> response) {
    String location = response.headers().firstValue("Location").orElse("");
    try {
      URI to = from.resolve(location);
      boolean web =
          "https".equalsIgnoreCase(to.getScheme()) || "http".equalsIgnoreCase(to.getScheme());
      boolean weaker =
          "https".equalsIgnoreCase(from.getScheme()) && "http".equalsIgnoreCase(to.getScheme());
      if (!location.isEmpty() && web && !weaker && to.getHost() != null) {
        return to;
      }
    } catch (IllegalArgumentException _) {
      // told below
    }
    throw HubException.system(
        host(from)
            + ": expected a redirect to "
            + ("https".equalsIgnoreCase(from.getScheme()) ? "an https" : "a web")
            + " address, found '"
            // a signature may be behind the question mark
            + HubException.printable(location.replaceFirst("\\?.*", ""))
            + "'");
  }

  private HttpRequest request(URI address, Optional<Range> range) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(address).header("User-Agent", "yuzui").timeout(patience.silence());
    range.ifPresent(r -> request.header("Range", "bytes=" + r.from() + "-" + (r.to() - 1)));
    options
        .token()
        .filter(_ -> trusted(address))
        .ifPresent(
            token -> {
              request.header("Authorization", "Bearer " + token.secret());
              if (options.site() == HubSite.MODELSCOPE) {
                // what its older paths look at
                request.header("Cookie", "m_session_id=" + token.secret());
              }
            });
    return request.build();
  }

  /** Whether the token may go there. */
  private boolean trusted(URI address) {
    URI own = options.endpoint();
    boolean same =
        own.getScheme().equalsIgnoreCase(address.getScheme())
            && own.getHost().equalsIgnoreCase(address.getHost())
            && port(own) == port(address);
    return same && ("https".equalsIgnoreCase(address.getScheme()) || isLocal(address.getHost()));
  }

  /** Whether the token would go over a network in the clear, and so goes nowhere. */
  static boolean withholdsToken(HubOptions options) {
    return options.token().isPresent()
        && "http".equalsIgnoreCase(options.endpoint().getScheme())
        && !isLocal(options.endpoint().getHost());
  }

  private static int port(URI address) {
    if (address.getPort() >= 0) {
      return address.getPort();
    }
    return "https".equalsIgnoreCase(address.getScheme()) ? 443 : 80;
  }

  private static boolean isLocal(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    return name.equals("localhost")
        || name.equals("[::1]")
        || name.matches("127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}");
  }

  private HttpResponse<InputStream> send(HttpRequest request) throws IOException {
    stop.check();
    // not sendAsync, which ends in the common pool, whose threads may all be waiting here
    Future<HttpResponse<InputStream>> reply =
        sending.submit(() -> client.send(request, BodyHandlers.ofInputStream()));
    try {
      while (true) {
        try {
          return reply.get(SLICE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException _) {
          stop.check();
        }
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw HubException.interrupted(Patience.INTERRUPTED);
    } finally {
      reply.cancel(true);
    }
  }

  private static Optional<Duration> retryAfter(HttpResponse<?> response) {
    return response
        .headers()
        .firstValue("Retry-After")
        .flatMap(
            text -> {
              if (text.matches("\\d{1,9}")) {
                return Optional.of(Duration.ofSeconds(Long.parseLong(text)));
              }
              try {
                ZonedDateTime until =
                    ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME);
                Duration left = Duration.between(ZonedDateTime.now(until.getZone()), until);
                return Optional.of(left.isNegative() ? Duration.ZERO : left);
              } catch (DateTimeException _) {
                return Optional.empty();
              }
            });
  }

  static String host(URI address) {
    OptionalInt port =
        address.getPort() < 0 ? OptionalInt.empty() : OptionalInt.of(address.getPort());
    return address.getHost() + (port.isPresent() ? ":" + port.getAsInt() : "");
  }

  /** Why nothing came, in words; many of the client's exceptions have none. */
  static String reason(IOException e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      switch (cause) {
        case UnresolvedAddressException _ -> {
          return "no address is known for this host";
        }
        case SSLHandshakeException ssl -> {
          return "no secure connection: " + HubException.printable("" + ssl.getMessage());
        }
        default -> {
          // perhaps one below
        }
      }
    }
    return switch (e) {
      case java.net.http.HttpTimeoutException _ -> "no answer";
      case ConnectException _ -> "cannot be reached";
      default ->
          e.getMessage() == null
              ? "the connection was cut"
              : HubException.printable(e.getMessage());
    };
  }

  /** Cuts everything: who reads or waits gets an exception, and nobody may ask again. */
  void end() {
    ended = true;
    open.forEach(Body::close);
  }

  @Override
  public void close() {
    end();
    watch.interrupt();
    client.shutdownNow();
    sending.shutdownNow();
    client.close();
  }
}
