package dev.yuzui.server.http;

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
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Listens, and gives each request to the route that answers its path. Thread-safe. */
public final class HttpListener implements AutoCloseable {
  /** Of a request's first line and its headers, in bytes. */
  private static final int MAX_LINE = 8 << 10;

  private static final int MAX_HEADERS = 16 << 10;

  private static final int EVENT_LOOPS = 2;

  /** Of requests in hand together, in bytes: no less than so many of the longest. */
  private static final long MAX_BODIES = 64L << 20;

  private static final int LONGEST_BODIES = 8;

  private final HttpOptions options;
  private final Guard guard;
  private final Map<String, Map<String, Route>> routes;
  private final Consumer<String> log;
  private final Vertx vertx;
  private final HttpServer server;

  private final Map<HttpConnection, Lane> lanes = new ConcurrentHashMap<>();
  private final AtomicInteger inHand = new AtomicInteger();
  private final Budget bodies;

  /**
   * @param log for what nobody asked for and somebody should know; never text of a request
   */
  public HttpListener(HttpOptions options, List<Route> routes, Consumer<String> log) {
    this.options = options;
    this.guard = new Guard(options);
    this.log = log;
    this.bodies = new Budget(Math.max(MAX_BODIES, (long) LONGEST_BODIES * options.maxBody()));
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

  /** Requests that were let in, until their answers are written. */
  public int inHand() {
    return inHand.get();
  }

  // ---- connections ----

  private void opened(HttpConnection connection) {
    lanes.put(connection, new Lane(vertx, connection, options.headerTimeout()));
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
    Exchange exchange = new Exchange(request);
    Future<Void> _ = exchange.refuse(problem, ErrorForm.OPENAI).onComplete(_ -> exchange.close());
  }

  private void take(HttpServerRequest request) {
    begin(request);
    Exchange exchange = new Exchange(request);
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
    Body body = new Body(vertx, options, exchange, errors);
    if (route == null) {
      body.drop();
      Future<Void> _ = exchange.refuse(unknown(request, found), errors);
      return;
    }
    inHand.incrementAndGet(); // before it is asked whether more are let in
    Optional<HttpProblem> refusal =
        guard
            .refusal(request, route)
            .or(() -> tooLong(request))
            .or(() -> route.admission().refusal());
    if (refusal.isPresent()) {
      inHand.decrementAndGet();
      body.drop();
      Future<Void> _ = exchange.refuse(refusal.get(), errors);
      return;
    }
    exchange.onOver(inHand::decrementAndGet);
    body.read(bodies, bytes -> answer(exchange, route, bytes));
  }

  /** A body may come slowly: what was true of its request's headers may not be any more. */
  private void answer(Exchange exchange, Route route, byte[] body) {
    Optional<HttpProblem> refusal = route.admission().refusal();
    if (refusal.isPresent()) {
      Future<Void> _ = exchange.refuse(refusal.get(), route.errors());
      return;
    }
    Outlet outlet = new Outlet(vertx, exchange, options.writeTimeout());
    Call call = new Call(exchange, outlet, body);
    Thread.ofVirtual().name("request").start(() -> answer(call, route));
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
    return fits ? Optional.empty() : Optional.of(Body.tooLong(options));
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

  /** Open connections are closed. */
  @Override
  public void close() {
    vertx.close().toCompletionStage().toCompletableFuture().join();
  }
}
