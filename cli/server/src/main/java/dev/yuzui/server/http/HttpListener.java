package dev.yuzui.server.http;

import dev.yuzui.io.Json;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.net.PemKeyCertOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Listens, and gives each request to the route that answers its path. Thread-safe. */
public final class HttpListener implements AutoCloseable {
  /** Of a request's first line and its headers, in bytes. */
  private static final int MAX_LINE = 8 << 10;

  private static final int MAX_HEADERS = 16 << 10;

  /** A connection without a request for so long is closed. */
  private static final Duration KEEP_ALIVE = Duration.ofSeconds(75);

  private static final int EVENT_LOOPS = 2;

  private final HttpOptions options;
  private final Guard guard;
  private final Map<String, Map<String, Route>> routes;
  private final Consumer<String> log;
  private final Vertx vertx;
  private final HttpServer server;

  private final Map<HttpConnection, Lane> lanes = new ConcurrentHashMap<>();

  /**
   * @param log for what nobody asked for and somebody should know; never text of a request
   */
  public HttpListener(HttpOptions options, List<Route> routes, Consumer<String> log) {
    this.options = options;
    this.guard = new Guard(options);
    this.log = log;
    this.routes =
        routes.stream()
            .collect(
                Collectors.groupingBy(
                    Route::path, Collectors.toMap(Route::method, Function.identity())));
    vertx =
        Vertx.vertx(
            new VertxOptions()
                .setEventLoopPoolSize(EVENT_LOOPS)
                .setWorkerPoolSize(1)
                .setInternalBlockingPoolSize(2)
                .setFileSystemOptions(
                    new FileSystemOptions()
                        .setClassPathResolvingEnabled(false)
                        .setFileCachingEnabled(false)));
    server = vertx.createHttpServer(serverOptions(options));
    server.connectionHandler(this::opened);
    server.requestHandler(this::take);
    server.invalidRequestHandler(this::refuseInvalid);
    server.exceptionHandler(_ -> {}); // a connection that broke before it asked
  }

  private static HttpServerOptions serverOptions(HttpOptions options) {
    HttpServerOptions all =
        new HttpServerOptions()
            .setTcpNoDelay(true)
            .setHttp2ClearTextEnabled(false)
            .setUseAlpn(false)
            .setMaxInitialLineLength(MAX_LINE)
            .setMaxHeaderSize(MAX_HEADERS)
            .setHandle100ContinueAutomatically(true)
            .setSslHandshakeTimeout(options.headerTimeout().toMillis())
            .setSslHandshakeTimeoutUnit(TimeUnit.MILLISECONDS);
    options
        .tls()
        .ifPresent(
            tls ->
                all.setSsl(true)
                    .setKeyCertOptions(
                        new PemKeyCertOptions()
                            .addCertPath(tls.certificate().toAbsolutePath().toString())
                            .addKeyPath(tls.key().toAbsolutePath().toString())));
    return all;
  }

  /**
   * From now on requests are answered.
   *
   * @throws UncheckedIOException if the address cannot be listened on; its cause says why
   */
  public void listen() {
    try {
      server
          .listen(options.port(), options.host())
          .toCompletionStage()
          .toCompletableFuture()
          .join();
    } catch (CompletionException e) {
      throw new UncheckedIOException(new IOException(e.getCause().getMessage(), e.getCause()));
    }
  }

  public int port() {
    return server.actualPort();
  }

  // ---- connections ----

  /**
   * A connection, which is closed when it has no request for too long. An answer may end on its
   * request's thread while the event loop begins the next.
   */
  private final class Lane {
    private final HttpConnection connection;
    private int requests;
    private long timer;

    Lane(HttpConnection connection) {
      this.connection = connection;
      watch(options.headerTimeout());
    }

    private void watch(Duration limit) {
      timer = vertx.setTimer(Math.max(1, limit.toMillis()), _ -> connection.close());
    }

    synchronized void begin() {
      vertx.cancelTimer(timer);
      requests++;
    }

    /** More may have come while it was answered. */
    synchronized void end() {
      if (--requests == 0) {
        watch(KEEP_ALIVE);
      }
    }

    synchronized void closed() {
      vertx.cancelTimer(timer);
    }
  }

  private void opened(HttpConnection connection) {
    lanes.put(connection, new Lane(connection));
    connection.closeHandler(
        _ -> Optional.ofNullable(lanes.remove(connection)).ifPresent(Lane::closed));
    connection.exceptionHandler(_ -> connection.close());
  }

  private void begin(HttpServerRequest request) {
    Optional.ofNullable(lanes.get(request.connection()))
        .ifPresent(
            lane -> {
              lane.begin();
              request.response().endHandler(_ -> lane.end());
            });
  }

  // ---- requests ----

  private void refuseInvalid(HttpServerRequest request) {
    Throwable why = request.decoderResult().cause();
    String kind = why == null ? "" : why.getClass().getSimpleName();
    HttpProblem problem =
        switch (kind) {
          case "TooLongHttpLineException" ->
              HttpProblem.of(
                  414, "uri_too_long", "expected a request line of at most " + MAX_LINE + " bytes");
          case "TooLongHttpHeaderException" ->
              HttpProblem.of(
                  431,
                  "headers_too_large",
                  "expected headers of at most " + MAX_HEADERS + " bytes");
          default -> HttpProblem.of(400, "bad_request", "expected an HTTP/1.1 request");
        };
    Future<Void> _ =
        refuse(request, problem, ErrorForm.OPENAI).onComplete(_ -> request.connection().close());
  }

  private void take(HttpServerRequest request) {
    begin(request);
    CompletableFuture<Void> gone = new CompletableFuture<>();
    request.response().closeHandler(_ -> gone.complete(null));
    request.response().exceptionHandler(_ -> gone.complete(null));
    request.exceptionHandler(_ -> gone.complete(null));
    guard.decorate(request, request.response());
    if (guard.isPreflight(request)) {
      guard.preflight(request, request.response());
      return;
    }
    Map<String, Route> found = routes.getOrDefault(request.path(), Map.of());
    String method = request.method().equals(HttpMethod.HEAD) ? "GET" : request.method().name();
    Route route = found.get(method);
    ErrorForm errors =
        found.values().stream().findFirst().map(Route::errors).orElse(ErrorForm.OPENAI);
    if (route == null) {
      drop(request, gone);
      refuse(request, unknown(request, found), errors);
      return;
    }
    Optional<HttpProblem> refusal =
        guard
            .refusal(request, route)
            .or(() -> tooLong(request))
            .or(() -> route.admission().refusal());
    if (refusal.isPresent()) {
      drop(request, gone);
      refuse(request, refusal.get(), errors);
      return;
    }
    new Body(request, gone, options.maxBody(), errors)
        .read(
            body ->
                Thread.ofVirtual()
                    .name("request")
                    .start(
                        () ->
                            answer(
                                new Call(vertx, request, body, options.writeTimeout(), gone),
                                route)));
  }

  private static HttpProblem unknown(HttpServerRequest request, Map<String, Route> found) {
    if (found.isEmpty()) {
      return HttpProblem.of(
          404, "not_found", request.method() + " " + request.path() + ": there is nothing here");
    }
    return HttpProblem.of(
            405,
            "method_not_allowed",
            request.path() + ": expected " + String.join(" or ", found.keySet()))
        .withHeader("Allow", String.join(", ", found.keySet()));
  }

  private Optional<HttpProblem> tooLong(HttpServerRequest request) {
    String length = request.getHeader("Content-Length");
    boolean fits =
        length == null || length.length() < 10 && Long.parseLong(length) <= options.maxBody();
    return fits ? Optional.empty() : Optional.of(tooLong());
  }

  private HttpProblem tooLong() {
    return HttpProblem.of(
        413,
        "request_too_large",
        "expected a body of at most " + options.maxBody() + " bytes (--max-body)");
  }

  /** What comes of a body that nobody wants. */
  private void drop(HttpServerRequest request, CompletableFuture<Void> gone) {
    new Body(request, gone, options.maxBody(), ErrorForm.OPENAI).drop();
  }

  /** Done when it is written. */
  private static Future<Void> refuse(
      HttpServerRequest request, HttpProblem problem, ErrorForm form) {
    problem.headers().forEach(request.response()::putHeader);
    String body = Json.compact(form.of(problem));
    return request
        .response()
        .setStatusCode(problem.status())
        .putHeader("Content-Type", "application/json")
        .end(body);
  }

  private void answer(Call call, Route route) {
    try {
      route.handler().handle(call);
    } catch (HttpProblem problem) {
      fail(call, problem, route);
    } catch (ClientGone | InterruptedException _) {
      call.drop();
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      log.accept(route.path() + ": unexpected " + e.getClass().getName() + at(e));
      fail(
          call,
          HttpProblem.of(500, "internal_error", "unexpected " + e.getClass().getSimpleName()),
          route);
    }
  }

  /** Where it happened; a message may hold text of the request. */
  private static String at(Throwable e) {
    return e.getStackTrace().length == 0 ? "" : " at " + e.getStackTrace()[0];
  }

  private static void fail(Call call, HttpProblem problem, Route route) {
    if (call.begun()) {
      call.drop();
      return;
    }
    try {
      call.fail(problem, route.errors());
    } catch (ClientGone _) {
      // then nobody hears of it
    }
  }

  /** A request's body, limited in size and time. */
  private final class Body {
    private final HttpServerRequest request;
    private final CompletableFuture<Void> gone;
    private final int limit;
    private final ErrorForm errors;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private long timer;
    private long seen;
    private boolean over;

    Body(HttpServerRequest request, CompletableFuture<Void> gone, int limit, ErrorForm errors) {
      this.request = request;
      this.gone = gone;
      this.limit = limit;
      this.errors = errors;
    }

    void read(Consumer<byte[]> then) {
      begin(
          HttpProblem.of(
              408,
              "body_timeout",
              "expected the body within " + options.bodyTimeout().toMillis() + " ms"));
      request.handler(
          piece -> {
            seen += piece.length();
            if (over) {
              return;
            }
            if (seen > limit) {
              end();
              refuse(request, tooLong(), errors);
              request.connection().close();
              return;
            }
            bytes.writeBytes(piece.getBytes());
          });
      request.endHandler(
          _ -> {
            if (!over) {
              end();
              then.accept(bytes.toByteArray());
            }
          });
    }

    /** The connection goes on where it ends in time and is no longer than what is read. */
    void drop() {
      timer = vertx.setTimer(options.bodyTimeout().toMillis(), _ -> request.connection().close());
      request.handler(
          piece -> {
            seen += piece.length();
            if (seen > limit) {
              request.connection().close();
            }
          });
      request.endHandler(_ -> end());
    }

    private void begin(HttpProblem late) {
      timer =
          vertx.setTimer(
              options.bodyTimeout().toMillis(),
              _ -> {
                if (!over) {
                  over = true;
                  refuse(request, late, errors);
                  request.connection().close();
                }
              });
      request.exceptionHandler(
          _ -> {
            end();
            gone.complete(null);
          });
    }

    private void end() {
      over = true;
      vertx.cancelTimer(timer);
    }
  }

  /** Open connections are closed. */
  @Override
  public void close() {
    vertx.close().toCompletionStage().toCompletableFuture().join();
  }
}
