package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
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
  private final List<Long> arrived = Collections.synchronizedList(new ArrayList<>());
  private final CountDownLatch over = new CountDownLatch(1);
  private final AtomicInteger atOnce = new AtomicInteger();
  private final AtomicInteger mostAtOnce = new AtomicInteger();
  private HttpServer server;
  private String key = "";
  private int modelsStatus = 200;
  private String models = "{\"data\":[{\"id\":\"slow\"}]}";
  private boolean failsAndHangs;

  @BeforeEach
  void listen() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/v1/models", e -> reply(e, modelsStatus, models));
    server.createContext("/silent", e -> hang());
    server.createContext("/v1/completions", this::complete);
    server.start();
  }

  @AfterEach
  void close() {
    over.countDown();
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

  private void hang() throws IOException {
    try {
      over.await();
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  private void complete(HttpExchange exchange) throws IOException {
    arrived.add(System.nanoTime());
    if (!key.isEmpty()
        && !("Bearer " + key).equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      reply(exchange, 401, "{\"error\":{\"message\":\"no key\"}}");
      return;
    }
    mostAtOnce.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
    JsonNode body = Json.mapper().readTree(exchange.getRequestBody());
    asked.add(body);
    if (failsAndHangs) {
      if (asked.size() == 2) {
        reply(exchange, 500, "{\"error\":{\"message\":\"no more\"}}");
      } else {
        hang();
      }
      return;
    }
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
    assertEquals(4, row.path("max_concurrency").asInt());
    assertTrue(asked.stream().allMatch(body -> body.path("prompt").size() == 9));
    assertTrue(asked.stream().allMatch(body -> body.path("stream").asBoolean()));
    assertTrue(row.path("p50_ttft_ms").asDouble() >= FIRST_MILLIS, row.toString());
    assertTrue(row.path("mean_itl_ms").asDouble() >= NEXT_MILLIS * 0.9, row.toString());
    // two rounds of four
    double least = 2 * (FIRST_MILLIS + 5 * NEXT_MILLIS) * 1e-3;
    assertTrue(row.path("duration").asDouble() >= least, row.toString());
    assertEquals(
        48, row.path("output_throughput").asDouble() * row.path("duration").asDouble(), 1e-6);
  }

  @Test
  void prefixesAreSharedAndArrivalsAreByRate() {
    long start = System.nanoTime();
    JsonNode row =
        row(
            bench(
                "-p",
                "9",
                "-n",
                "60",
                "--num-prompts",
                "5",
                "--shared-prefix",
                "4",
                "--rate",
                "50",
                "-o",
                "jsonl"));
    assertEquals(50, row.path("request_rate").asDouble());
    assertTrue(row.path("max_concurrency").isNull(), row.toString());
    long[] arrivals =
        RateMeasurement.arrivals(50, 5, new SplittableRandom(UrlMeasurement.ARRIVALS_SEED));
    for (int i = 0; i < arrivals.length; i++) {
      assertTrue(arrived.get(i) - start >= arrivals[i], i + " came before its time");
    }
    assertTrue(mostAtOnce.get() > 1, "nobody waits for the answers of others");
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
  void noRunAsksWhatTheOneBeforeAskedUnlessItIsTold() {
    String[] one = {"-p", "9", "-n", "2", "--num-prompts", "1", "-o", "jsonl"};
    long seed = row(bench(one)).path("seed").asLong();
    row(bench(one));
    List<String> again = new ArrayList<>(List.of(one));
    again.addAll(List.of("--seed", "" + seed));
    row(bench(again.toArray(String[]::new)));
    List<JsonNode> prompts = asked.stream().map(body -> body.path("prompt")).toList();
    assertNotEquals(prompts.get(0), prompts.get(1));
    assertEquals(prompts.get(0), prompts.get(2));
  }

  @Test
  void aTableNamesTheServersModel() {
    CommandRun run = bench("-p", "4", "-n", "2", "--num-prompts", "2");
    assertTrue(run.out().contains("| slow | 2 x pp4+tg2 | - | 1 |"), run.out());
  }

  private CommandRun once(String... more) {
    List<String> line = new ArrayList<>(List.of("-p", "4", "-n", "2", "--num-prompts", "1"));
    line.addAll(List.of(more));
    return bench(line.toArray(String[]::new));
  }

  @Test
  void aKeyIsTheFirstOfItsFileAndIsNotShown(@TempDir Path folder) throws IOException {
    key = "secret";
    CommandRun without = once();
    assertEquals(1, without.exitCode());
    assertTrue(without.err().contains("found status 401: {\"error\""), without.err());
    assertTrue(without.err().contains("give its key with --api-key-file"), without.err());
    Path file = Files.writeString(folder.resolve("key"), "\nsecret\nanother\n");
    CommandRun with = once("--api-key-file", file.toString());
    assertEquals(0, with.exitCode(), with.err());
    Path wrong = Files.writeString(folder.resolve("wrong"), "private\u00e4\u0001key\n");
    CommandRun refused = once("--api-key-file", wrong.toString());
    assertEquals(2, refused.exitCode());
    assertTrue(refused.err().contains("whose first key has other characters"), refused.err());
    assertFalse(refused.err().contains("private"), refused.err());
    Path empty = Files.writeString(folder.resolve("empty"), " \n\n");
    assertTrue(once("--api-key-file", empty.toString()).err().contains("which has none"));
  }

  @Test
  void aFailureIsToldThoughOthersAreStillAnswered() {
    failsAndHangs = true;
    CommandRun run =
        assertTimeoutPreemptively(
            Duration.ofSeconds(60),
            () -> bench("-p", "4", "-n", "2", "--num-prompts", "9", "--max-concurrency", "3"));
    assertEquals(1, run.exitCode());
    assertTrue(run.err().contains("found status 500: {\"error\""), run.err());
    assertTrue(asked.size() <= 4, "and no more is asked");
  }

  @Test
  void silenceIsNotWaitedForForEver() {
    var patience =
        new UrlClient.Patience(
            Duration.ofSeconds(5), Duration.ofMillis(200), Duration.ofMillis(300));
    URI silent = URI.create(url() + "/silent");
    String list =
        assertThrows(
                FailedException.class,
                () -> UrlClient.open(silent, Optional.empty(), Optional.empty(), patience))
            .getMessage();
    assertTrue(list.contains("/silent/v1/models within 200 ms, found silence"), list);
    UrlClient named = UrlClient.open(silent, Optional.of("any"), Optional.empty(), patience);
    String stream =
        assertThrows(FailedException.class, () -> named.complete(new int[] {1}, 2)).getMessage();
    assertTrue(stream.contains("/v1/completions within 300 ms, found silence"), stream);
  }

  @Test
  void whatAServerHasNotIsSaidWithTheFlagThatHelps() {
    models = "{\"data\":[]}";
    String none = once().err();
    assertTrue(none.contains("expected a model in the list at http"), none);
    assertTrue(none.contains("found {\"data\":[]}") && none.contains("--url-model"), none);
    models = "<!DOCTYPE html>\n<title>Welcome</title>";
    String html = once().err();
    assertTrue(html.contains("expected a list of models at http"), html);
    assertTrue(html.contains("found <!DOCTYPE html> <title>Welcome</title>;"), html);
    modelsStatus = 404;
    String absent = once().err();
    assertTrue(absent.contains("found status 404: <!DOCTYPE html>"), absent);
    assertTrue(absent.contains("name the model with --url-model"), absent);
    CommandRun named = once("--url-model", "slow");
    assertEquals(0, named.exitCode(), named.err());
    String elsewhere =
        yuzui("bench", "--url", url() + "/nothing", "--url-model", "m", "--no-warmup").err();
    assertTrue(elsewhere.contains("--url is what stands before /v1"), elsewhere);
    String nobody = yuzui("bench", "--url", "http://127.0.0.1:1").err();
    assertTrue(nobody.contains("found nobody who listens there (Connection refused)"), nobody);
    String nowhere = yuzui("bench", "--url", "http://no.such.host.invalid").err();
    assertTrue(nowhere.contains("found no host of that name"), nowhere);
  }

  @Test
  void nothingToMeasureIsAMistake() {
    for (String flag : List.of("-p", "-n")) {
      CommandRun run = bench(flag, "0");
      assertEquals(2, run.exitCode());
      assertTrue(run.err().contains("-p, -n: expected at least one test, found none"), run.err());
    }
    CommandRun csv = once("-o", "csv");
    assertEquals(2, csv.exitCode());
    assertTrue(csv.err().contains("expected md or jsonl beside --url, found csv"), csv.err());
  }

  @Test
  void flagsOfEnginesAreRefused() {
    CommandRun run = bench("-b", "64");
    assertEquals(2, run.exitCode());
    assertTrue(run.err().contains("--batch-size and --url: expected one of them"), run.err());
    for (String flag : List.of("--max-concurrency", "--seed")) {
      CommandRun idle = yuzui("bench", flag, "3");
      assertTrue(idle.err().contains("expected --url beside them"), idle.err());
    }
  }
}
