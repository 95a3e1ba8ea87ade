package dev.yuzui.cli.pull;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** A hub on this machine with one GGUF of {@code org/tiny}. */
public final class TinyHub implements AutoCloseable {
  public static final String COMMIT = "89abcdef0123456789abcdef0123456789abcdef";
  private static final int CHUNK = 1 << 16;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final AtomicInteger downloads = new AtomicInteger();
  private final String file;
  private final byte[] content;
  private final long claimed;
  private final int pauseMillis;

  /**
   * @param claimed bytes, of the listing
   * @param pauseMillis behind each {@value #CHUNK} bytes
   */
  public TinyHub(String file, byte[] content, long claimed, int pauseMillis) throws IOException {
    this.file = file;
    this.content = content;
    this.claimed = claimed;
    this.pauseMillis = pauseMillis;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/api/models/org/tiny/revision/main", e -> json(e, Map.of("sha", COMMIT)));
    server.createContext("/api/models/org/tiny/tree/" + COMMIT, e -> json(e, List.of(entry())));
    server.createContext("/org/tiny/resolve/" + COMMIT + "/" + file, this::send);
    server.start();
  }

  public TinyHub(String file, byte[] content) throws IOException {
    this(file, content, content.length, 0);
  }

  public String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  public int downloads() {
    return downloads.get();
  }

  private Map<String, Object> entry() {
    try {
      byte[] sha = MessageDigest.getInstance("SHA-256").digest(content);
      return Map.of(
          "type",
          "file",
          "path",
          file,
          "size",
          claimed,
          "oid",
          COMMIT,
          "lfs",
          Map.of("oid", HexFormat.of().formatHex(sha), "size", claimed));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void json(HttpExchange exchange, Object value) throws IOException {
    try (exchange) {
      byte[] bytes = Json.mapper().writeValueAsBytes(value);
      exchange.sendResponseHeaders(200, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  private void send(HttpExchange exchange) throws IOException {
    downloads.incrementAndGet();
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("bytes=|-.*", ""));
    try (exchange;
        OutputStream out = exchange.getResponseBody()) {
      if (range != null) {
        exchange
            .getResponseHeaders()
            .set("Content-Range", range.replace("=", " ") + "/" + content.length);
      }
      exchange.sendResponseHeaders(range == null ? 200 : 206, content.length - from);
      for (int at = from; at < content.length; at += CHUNK) {
        out.write(content, at, Math.min(CHUNK, content.length - at));
        out.flush();
        Thread.sleep(pauseMillis);
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
