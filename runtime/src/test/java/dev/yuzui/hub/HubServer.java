package dev.yuzui.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A hub on this machine with one repository, {@code org/tiny}, that misbehaves where it is told.
 */
final class HubServer implements AutoCloseable {
  static final HubName TINY = HubName.parse("org/tiny");
  static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  /** A request as it came. */
  record Asked(String path, Optional<String> range, Optional<String> token) {}

  /** Answers a request, or does not and leaves it to the usual way. */
  interface Whim {
    boolean answered(HttpExchange exchange) throws IOException;
  }

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final List<Asked> asked = new CopyOnWriteArrayList<>();
  private final Map<String, byte[]> files = new LinkedHashMap<>();
  private volatile Whim whim = _ -> false;
  private volatile int page = 1000;
  private volatile boolean ranges = true;

  HubServer() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  URI endpoint() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  HubServer with(String path, byte[] content) {
    files.put(path, content);
    return this;
  }

  HubServer with(String path) {
    return with(path, path.getBytes(StandardCharsets.UTF_8));
  }

  void on(Whim whim) {
    this.whim = whim;
  }

  void listsPagesOf(int entries) {
    page = entries;
  }

  void hasNoRanges() {
    ranges = false;
  }

  List<Asked> asked() {
    return asked;
  }

  /** Requests for files' bytes. */
  List<Asked> downloads() {
    return asked.stream().filter(a -> a.path().contains("/resolve/")).toList();
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      var headers = exchange.getRequestHeaders();
      asked.add(
          new Asked(
              exchange.getRequestURI().toString(),
              Optional.ofNullable(headers.getFirst("Range")),
              Optional.ofNullable(headers.getFirst("Authorization"))));
      if (!whim.answered(exchange)) {
        route(exchange, exchange.getRequestURI().getPath());
      }
    }
  }

  private void route(HttpExchange exchange, String path) throws IOException {
    String models = "/api/models/org/tiny";
    if (path.equals(models + "/revision/main") || path.equals(models + "/revision/v1")) {
      json(exchange, Map.of("id", "org/tiny", "sha", COMMIT, "gated", false));
    } else if (path.startsWith(models + "/revision/")) {
      refuse(exchange, 404, "RevisionNotFound");
    } else if (path.equals(models + "/tree/" + COMMIT)) {
      tree(exchange);
    } else if (path.startsWith("/org/tiny/resolve/" + COMMIT + "/")) {
      file(exchange, path.substring(("/org/tiny/resolve/" + COMMIT + "/").length()));
    } else if (path.equals("/api/v1/models/org/tiny/repo/files")) {
      json(exchange, Map.of("Code", 200, "Success", true, "Data", Map.of("Files", modelScope())));
    } else if (path.startsWith("/models/org/tiny/resolve/master/")) {
      file(exchange, path.substring("/models/org/tiny/resolve/master/".length()));
    } else {
      refuse(exchange, 401, "RepoNotFound");
    }
  }

  static void refuse(HttpExchange exchange, int status, String code) throws IOException {
    exchange.getResponseHeaders().set("X-Error-Code", code);
    exchange.sendResponseHeaders(status, -1);
  }

  static void json(HttpExchange exchange, Object value) throws IOException {
    byte[] bytes = Json.compact(value).getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private void tree(HttpExchange exchange) throws IOException {
    String query = exchange.getRequestURI().getQuery();
    int from =
        query.contains("cursor=") ? Integer.parseInt(query.replaceFirst(".*cursor=", "")) : 0;
    List<Map<String, Object>> all = new ArrayList<>();
    all.add(Map.of("type", "directory", "oid", COMMIT, "size", 0, "path", "folder"));
    files.forEach((path, content) -> all.add(entry(path, content)));
    int to = Math.min(all.size(), from + page);
    if (to < all.size()) {
      exchange
          .getResponseHeaders()
          .set(
              "Link",
              "<"
                  + endpoint()
                  + exchange.getRequestURI().getPath()
                  + "?recursive=true&cursor="
                  + to
                  + ">; rel=\"next\"");
    }
    json(exchange, all.subList(from, to));
  }

  private static Map<String, Object> entry(String path, byte[] content) {
    Map<String, Object> entry = new LinkedHashMap<>();
    entry.put("type", "file");
    entry.put("path", path);
    entry.put("size", content.length);
    entry.put("oid", gitId(content));
    if (isLarge(path)) {
      entry.put("lfs", Map.of("oid", sha256(content), "size", content.length, "pointerSize", 130));
    }
    return entry;
  }

  static boolean isLarge(String path) {
    return path.endsWith(".gguf") || path.endsWith(".safetensors");
  }

  private List<Map<String, Object>> modelScope() {
    List<Map<String, Object>> all = new ArrayList<>();
    all.add(Map.of("Path", "folder", "Type", "tree", "Size", 0, "Sha256", ""));
    files.forEach(
        (path, content) ->
            all.add(
                Map.of(
                    "Path",
                    path,
                    "Type",
                    "blob",
                    "Size",
                    content.length,
                    "IsLFS",
                    isLarge(path),
                    "Sha256",
                    sha256(content))));
    return all;
  }

  /** The bytes asked for, as a server of files sends them. */
  void file(HttpExchange exchange, String path) throws IOException {
    if (!files.containsKey(path)) {
      refuse(exchange, 404, "EntryNotFound");
      return;
    }
    byte[] content = files.get(path);
    String range = exchange.getRequestHeaders().getFirst("Range");
    if (range == null || !ranges) {
      exchange.sendResponseHeaders(200, content.length == 0 ? -1 : content.length);
      write(exchange, content);
      return;
    }
    int from = from(range);
    int to = Integer.parseInt(range.replaceFirst(".*-", "")) + 1;
    exchange
        .getResponseHeaders()
        .set("Content-Range", "bytes " + from + "-" + (to - 1) + "/" + content.length);
    exchange.sendResponseHeaders(206, to - from);
    write(exchange, Arrays.copyOfRange(content, from, to));
  }

  static int from(String range) {
    return Integer.parseInt(range.replaceFirst("bytes=", "").replaceFirst("-.*", ""));
  }

  private static void write(HttpExchange exchange, byte[] bytes) throws IOException {
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(bytes);
    }
  }

  static String sha256(byte[] content) {
    return HexFormat.of().formatHex(digest("SHA-256").digest(content));
  }

  static String gitId(byte[] content) {
    MessageDigest sha = digest("SHA-1");
    sha.update(("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII));
    return HexFormat.of().formatHex(sha.digest(content));
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
