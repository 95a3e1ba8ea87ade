package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bench --url}, against a server that takes its time. */
class BenchUrlTest {
  private static final int FIRST_MILLIS = 40;
  private static final int NEXT_MILLIS = 5;

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<JsonNode> asked = Collections.synchronizedList(new ArrayList<>());
  private final AtomicInteger atOnce = new AtomicInteger();
  private final AtomicInteger mostAtOnce = new AtomicInteger();
  private HttpServer server;
  private String key = "";

  @BeforeEach
  void listen() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/v1/models", e -> reply(e, 200, "{\"data\":[{\"id\":\"slow\"}]}"));
    server.createContext("/v1/completions", this::complete);
    server.start();
  }

  @AfterEach
  void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  private String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private static void reply(HttpExchange exchange, int status, String body) throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private void complete(HttpExchange exchange) throws IOException {
    if (!key.isEmpty()
        && !("Bearer " + key).equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      reply(exchange, 401, "{\"error\":{\"message\":\"no key\"}}");
      return;
    }
    mostAtOnce.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
    JsonNode body = Json.mapper().readTree(exchange.getRequestBody());
    asked.add(body);
    int tokens = body.path("max_tokens").asInt();
    exchange.sendResponseHeaders(200, 0);
    try (OutputStream out = exchange.getResponseBody()) {
      for (int i = 0; i < tokens; i++) {
        Thread.sleep(i == 0 ? FIRST_MILLIS : NEXT_MILLIS);
        send(out, "{\"choices\":[{\"text\":\"x\"}]}");
      }
      send(out, "{\"choices\":[],\"usage\":{\"completion_tokens\":" + tokens + "}}");
      send(out, "[DONE]");
    } catch (InterruptedException e) {
      throw new IOException(e);
    } finally {
      atOnce.decrementAndGet();
    }
  }

  private static void send(OutputStream out, String data) throws IOException {
    out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  private CommandRun bench(String... more) {
    List<String> line = new ArrayList<>(List.of("bench", "--url", url(), "--no-warmup"));
    line.addAll(List.of(more));
    return yuzui(line.toArray(String[]::new));
  }

  private static JsonNode row(CommandRun run) {
    assertEquals(0, run.exitCode(), run.err());
    try {
      return Json.mapper().readTree(run.out());
    } catch (IOException e) {
      throw new UncheckedIOException(run.out(), e);
    }
  }

  @Test
  void clientsThatAskAgainWhenTheyAreAnswered() {
    JsonNode row =
        row(
            bench(
                "-p",
                "9",
                "-n",
                "6",
                "--num-prompts",
                "8",
                "--max-concurrency",
                "4",
                "-o",
                "jsonl"));
    assertEquals(4, mostAtOnce.get());
    assertEquals(8, asked.size());
    assertEquals("slow", row.path("model").asText());
    assertTrue(asked.stream().allMatch(body -> body.path("prompt").size() == 9));
    assertTrue(asked.stream().allMatch(body -> body.path("stream").asBoolean()));
    assertTrue(row.at("/ttft_ms/p50").asDouble() >= FIRST_MILLIS, row.toString());
    assertTrue(row.at("/itl_ms/mean").asDouble() >= NEXT_MILLIS * 0.9, row.toString());
    // two rounds of four
    double least = 2 * (FIRST_MILLIS + 5 * NEXT_MILLIS) * 1e-3;
    assertTrue(row.path("duration").asDouble() >= least, row.toString());
    assertEquals(
        48, row.path("output_throughput").asDouble() * row.path("duration").asDouble(), 1e-6);
  }

  @Test
  void prefixesAreSharedAndArrivalsAreByRate() {
    JsonNode row =
        row(
            bench(
                "-p",
                "9",
                "-n",
                "2",
                "--num-prompts",
                "5",
                "--shared-prefix",
                "4",
                "--rate",
                "50",
                "-o",
                "jsonl"));
    assertEquals(50, row.path("request_rate").asDouble());
    List<String> prefixes =
        asked.stream()
            .map(
                body ->
                    body.at("/prompt/0") + "," + body.at("/prompt/1") + "," + body.at("/prompt/3"))
            .distinct()
            .toList();
    assertEquals(1, prefixes.size());
    assertEquals(5, asked.stream().map(body -> body.path("prompt")).distinct().count());
  }

  @Test
  void aTableNamesTheServersModel() {
    CommandRun run = bench("-p", "4", "-n", "2", "--num-prompts", "2");
    assertTrue(run.out().contains("| slow | 2 x pp4+tg2 | - | 1 |"), run.out());
  }

  @Test
  void keysAreShownAndErrorsAreNamed(@TempDir Path folder) throws IOException {
    key = "secret";
    CommandRun without = bench("-p", "4", "-n", "2", "--num-prompts", "1");
    assertEquals(1, without.exitCode());
    assertTrue(without.err().contains("found 401: {\"error\""), without.err());
    Path file = Files.writeString(folder.resolve("key"), "secret\n");
    CommandRun with =
        bench("-p", "4", "-n", "2", "--num-prompts", "1", "--api-key-file", file.toString());
    assertEquals(0, with.exitCode(), with.err());
  }

  @Test
  void flagsOfEnginesAreRefused() {
    CommandRun run = bench("-b", "64");
    assertEquals(2, run.exitCode());
    assertTrue(run.err().contains("--batch-size and --url: expected one of them"), run.err());
    CommandRun idle = yuzui("bench", "--max-concurrency", "3");
    assertTrue(idle.err().contains("expected --url beside them"), idle.err());
    CommandRun nobody = yuzui("bench", "--url", "http://127.0.0.1:1");
    assertEquals(1, nobody.exitCode());
    assertTrue(nobody.err().contains("--url: expected a server at"), nobody.err());
  }
}
