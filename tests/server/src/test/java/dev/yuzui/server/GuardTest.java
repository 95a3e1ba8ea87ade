package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.server.RunningServer.Reply;
import dev.yuzui.server.RunningServer.Setup;
import dev.yuzui.server.http.HttpOptions;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Who may ask, and how much. */
class GuardTest {
  private static final String LONG =
      "{\"prompt\":\"Once upon a time\",\"max_tokens\":1500,\"ignore_eos\":true}";

  private static RunningServer open;
  private static RunningServer locked;

  private static HttpOptions locked(HttpOptions http) {
    return new HttpOptions(
        http.host(),
        http.port(),
        List.of("first", "second"),
        List.of("https://page.example"),
        2000,
        Duration.ofMillis(400),
        Duration.ofMillis(400),
        http.writeTimeout(),
        Optional.empty());
  }

  @BeforeAll
  static void start() {
    open = RunningServer.open(Setup.USUAL.withQueue(2));
    locked = RunningServer.open(Setup.USUAL.with(GuardTest::locked));
  }

  @AfterAll
  static void stop() {
    open.close();
    locked.close();
  }

  /** What a server says to these bytes, until it closes or so much time has passed. */
  private static String raw(int port, String bytes, int millis) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(millis);
      socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
      StringBuilder answer = new StringBuilder();
      try {
        for (int b = socket.getInputStream().read(); b >= 0; b = socket.getInputStream().read()) {
          answer.append((char) b);
        }
        return answer + "[closed]";
      } catch (IOException _) {
        return answer.toString();
      }
    }
  }

  private static String line(String answer) {
    return answer.lines().findFirst().orElse("");
  }

  @Test
  void aKeyIsNeededForAllButHealthAndThePage() {
    assertEquals(401, locked.get("/v1/models").status());
    assertEquals("invalid_api_key", locked.get("/v1/models").json().at("/error/code").asText());
    assertEquals(401, locked.get("/metrics").status());
    assertEquals(200, locked.get("/health").status());
    for (String[] header :
        List.of(
            new String[] {"Authorization", "Bearer first"},
            new String[] {"authorization", "bearer second"},
            new String[] {"X-Api-Key", "second"})) {
      Reply reply =
          locked.send(
              HttpRequest.newBuilder(locked.uri("/v1/models"))
                  .header(header[0], header[1])
                  .build());
      assertEquals(200, reply.status(), header[1]);
    }
    for (String wrong : List.of("Bearer firs", "Bearer", "Basic first", "Bearer first second")) {
      Reply reply =
          locked.send(
              HttpRequest.newBuilder(locked.uri("/v1/models"))
                  .header("Authorization", wrong)
                  .build());
      assertEquals(401, reply.status(), wrong);
    }
  }

  private static String health(String host) throws IOException {
    return raw(
        open.port(),
        "GET /health HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n",
        5000);
  }

  @Test
  void namesThatSomebodyPointedHereAreRefused() throws IOException {
    for (String host :
        List.of(
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example.:80",
            // whatever cannot be read as a name and a port
            "a{b.evil.example:8080",
            "evil.example:99999",
            "evil.example:80x",
            "evil.example:1:2",
            "[evil.example]",
            "::1.evil.example",
            "")) {
      String answer = health(host);
      assertEquals("HTTP/1.1 403 Forbidden", line(answer), host);
    }
    for (String host : List.of("localhost", "127.0.0.1:8080", "[::1]:80", "LOCALHOST:1")) {
      String answer = health(host);
      assertEquals("HTTP/1.1 200 OK", line(answer), host);
    }
    assertTrue(line(raw(open.port(), "GET /health HTTP/1.0\r\n\r\n", 5000)).endsWith(" 200 OK"));
  }

  @Test
  void pagesOfOtherSitesMayAskOnlyIfNamed() {
    Reply stranger =
        open.send(
            HttpRequest.newBuilder(open.uri("/health"))
                .header("Origin", "https://page.example")
                .build());
    assertEquals("", stranger.header("access-control-allow-origin"));
    Reply named =
        locked.send(
            HttpRequest.newBuilder(locked.uri("/health"))
                .header("Origin", "https://page.example")
                .build());
    assertEquals("https://page.example", named.header("access-control-allow-origin"));
    Reply preflight =
        locked.send(
            HttpRequest.newBuilder(locked.uri("/v1/chat/completions"))
                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                .header("Origin", "https://page.example")
                .header("Access-Control-Request-Method", "POST")
                .build());
    assertEquals(204, preflight.status());
    assertTrue(preflight.header("access-control-allow-headers").contains("Authorization"));
  }

  @Test
  void everyAnswerForbidsWhatBrowsersMightTry() {
    for (String path : List.of("/health", "/nothing", "/v1/chat/completions")) {
      Reply reply = open.get(path);
      assertEquals("nosniff", reply.header("x-content-type-options"), path);
      assertTrue(reply.header("content-security-policy").startsWith("default-src 'none'"), path);
    }
  }

  @Test
  void onlyJsonIsPosted() {
    Reply reply =
        open.send(
            HttpRequest.newBuilder(open.uri("/v1/completions"))
                .header("Content-Type", "text/plain")
                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                .build());
    assertEquals(415, reply.status());
  }

  @Test
  void unknownPathsAndMethodsAreNamed() {
    assertEquals(404, open.get("/v1/nothing").status());
    assertEquals(404, open.get("/../../etc/passwd").status());
    Reply wrong = open.get("/v1/completions");
    assertEquals(405, wrong.status());
    assertEquals("POST", wrong.header("allow"));
  }

  @Test
  void bodiesHaveASizeWhetherTheySayItOrNot() throws IOException {
    String head =
        String.join(
            "\r\n",
            "POST /v1/completions HTTP/1.1",
            "Host: localhost",
            "Authorization: Bearer first",
            "Content-Type: application/json",
            "");
    String said = raw(locked.port(), head + "Content-Length: 99999999999\r\n\r\n", 300);
    assertEquals("HTTP/1.1 413 Request Entity Too Large", line(said));
    String chunk = "3e8\r\n" + " ".repeat(1000) + "\r\n";
    String unsaid =
        raw(locked.port(), head + "Transfer-Encoding: chunked\r\n\r\n" + chunk.repeat(4), 1000);
    assertEquals("HTTP/1.1 413 Request Entity Too Large", line(unsaid));
    assertTrue(unsaid.endsWith("[closed]"), unsaid);
  }

  @Test
  void headersHaveASize() throws IOException {
    String answer =
        raw(
            open.port(),
            "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + "y".repeat(20_000) + "\r\n\r\n",
            1000);
    assertEquals("HTTP/1.1 431 Request Header Fields Too Large", line(answer));
    assertTrue(answer.endsWith("[closed]"), answer);
    String uri =
        raw(open.port(), "GET /" + "y".repeat(9000) + " HTTP/1.1\r\nHost: x\r\n\r\n", 1000);
    assertTrue(line(uri).matches("HTTP/1.[01] 414 .*"), uri);
    assertTrue(uri.endsWith("[closed]"), uri);
  }

  @Test
  void slowHeadersAndBodiesAreNotWaitedFor() throws IOException {
    long start = System.nanoTime();
    assertEquals("[closed]", raw(locked.port(), "GET /health HT", 3000));
    assertEquals("[closed]", raw(locked.port(), "", 3000));
    String body =
        raw(
            locked.port(),
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first\r\n"
                + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"prompt",
            3000);
    assertTrue(line(body).startsWith("HTTP/1.1 408"), body);
    assertTrue(body.endsWith("[closed]"), body);
    assertTrue(System.nanoTime() - start < 5e9, "each within its 400 ms, and some");
  }

  @Test
  void requestsMayComeOneBehindAnother() throws IOException {
    String one = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    String answers = raw(locked.port(), one.repeat(3), 600);
    assertEquals(3, answers.split("HTTP/1.1 200 OK", -1).length - 1, answers);
    assertFalse(answers.endsWith("[closed]"), "it stays open for the next");
  }

  @Test
  void aFullQueueTurnsAwayAtOnce() throws Exception {
    int port = open.port();
    List<CompletableFuture<HttpResponse<String>>> held = new ArrayList<>();
    try (HttpClient client = HttpClient.newHttpClient()) {
      for (int i = 0; i < RunningServer.SEQUENCES + 2; i++) {
        held.add(
            client.sendAsync(
                open.request("/v1/completions", LONG).build(),
                HttpResponse.BodyHandlers.ofString()));
      }
      long until = System.nanoTime() + 5_000_000_000L;
      while (open.engine().metrics().requestsWaiting() < 2 && System.nanoTime() < until) {
        Thread.sleep(1);
      }
      String request =
          "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              + "Content-Length: 14\r\nConnection: close\r\n\r\n{\"prompt\":\"x\"}";
      long best = Long.MAX_VALUE;
      String answer = "";
      for (int i = 0; i < 50 && best >= 20_000_000; i++) { // others use the machine
        long start = System.nanoTime();
        answer = raw(port, request, 3000);
        best = Math.min(best, System.nanoTime() - start);
      }
      assertEquals("HTTP/1.1 429 Too Many Requests", line(answer));
      assertTrue(answer.contains("Retry-After: "), answer);
      assertTrue(answer.contains("queue_full"), answer);
      assertTrue(best < 20_000_000, "turned away after " + best / 1e6 + " ms");
      held.forEach(future -> future.cancel(true));
    }
    assertTrue(open.quietWithin(Duration.ofSeconds(2)));
  }

  @Test
  void whileItLoadsItSaysSo() throws IOException {
    try (Server server = RunningServer.listening(Setup.USUAL)) {
      String health = raw(server.port(), "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 300);
      assertEquals("HTTP/1.1 503 Service Unavailable", line(health));
      assertTrue(health.contains("model_loading"), health);
      String request =
          "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              + "Content-Length: 14\r\n\r\n{\"prompt\":\"x\"}";
      assertTrue(raw(server.port(), request, 300).contains("Retry-After: 1"));
    }
  }

  @Test
  void aServerThatEndsFinishesWhatRunsAndTakesNothing() throws Exception {
    try (RunningServer server = RunningServer.open();
        HttpClient client = HttpClient.newHttpClient()) {
      var running =
          client.sendAsync(
              server.request("/v1/completions", LONG.replace("1500", "200")).build(),
              HttpResponse.BodyHandlers.ofString());
      while (server.engine().metrics().requestsRunning() == 0) {
        Thread.sleep(1);
      }
      CompletableFuture<Boolean> drained =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return server.server().drain(Duration.ofSeconds(20));
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      Thread.sleep(20);
      Reply refused = server.post("/v1/completions", "{\"prompt\":\"x\"}");
      assertEquals(503, refused.status());
      assertEquals("shutting_down", refused.json().at("/error/code").asText());
      assertTrue(drained.get());
      assertEquals(200, running.get().statusCode());
      assertFalse(running.get().body().isEmpty());
    }
  }

  /** Sends the headers of a request, and of its body what is given. */
  private static Socket begin(int port, String path, int length, byte[] body) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
    socket.setSoTimeout(10_000);
    String head =
        "POST "
            + path
            + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Content-Length: "
            + length
            + "\r\n\r\n";
    socket.getOutputStream().write(head.getBytes(StandardCharsets.ISO_8859_1));
    socket.getOutputStream().write(body);
    return socket;
  }

  @Test
  void whoseBodyIsOnItsWayIsWaitedForAndHearsThatTheServerEnds() throws Exception {
    String asked = "{\"prompt\":\"x\",\"max_tokens\":1}";
    try (RunningServer server = RunningServer.open();
        Socket socket = begin(server.port(), "/v1/completions", asked.length(), new byte[] {'{'})) {
      Thread.sleep(300); // its headers are there
      assertFalse(server.server().drain(Duration.ofMillis(100)), "one is in hand");
      socket.getOutputStream().write(asked.substring(1).getBytes(StandardCharsets.UTF_8));
      byte[] answer = new byte[2000];
      int read = socket.getInputStream().read(answer);
      String said = new String(answer, 0, Math.max(0, read), StandardCharsets.UTF_8);
      assertEquals("HTTP/1.1 503 Service Unavailable", line(said));
      assertTrue(said.contains("shutting_down"), said);
      assertTrue(server.server().drain(Duration.ofSeconds(5)));
    }
  }

  @Test
  void anAnswerIsWaitedForUntilItIsRead() throws Exception {
    try (RunningServer server = RunningServer.open()) {
      byte[] asked = server.muchText(1 << 20).getBytes(StandardCharsets.UTF_8);
      Socket socket = begin(server.port(), "/detokenize", asked.length, asked);
      assertEquals('H', socket.getInputStream().read());
      assertFalse(server.server().drain(Duration.ofMillis(100)), "most is not read");
      assertTrue(server.server().drain(Duration.ofSeconds(20)), "nobody reads it for 5 s");
      socket.close();
    }
  }

  @Test
  void bodiesTogetherHaveASizeToo() throws Exception {
    int most = 64; // of a megabyte each, less a byte: what Setup.USUAL allows one
    byte[] body = new byte[(1 << 20) - 1];
    List<Socket> held = new ArrayList<>();
    try {
      for (int i = 0; i < most; i++) {
        held.add(begin(open.port(), "/tokenize", 1 << 20, body));
      }
      Reply refused = open.post("/tokenize", "{\"content\":\"" + "x".repeat(200) + "\"}");
      for (int i = 0; refused.status() == 200 && i < 100; i++) {
        Thread.sleep(20); // what was sent is read by and by
        refused = open.post("/tokenize", "{\"content\":\"" + "x".repeat(200) + "\"}");
      }
      assertEquals(503, refused.status(), refused.body());
      assertEquals("too_many_bodies", refused.json().at("/error/code").asText());
      assertEquals(200, open.get("/health").status());
    } finally {
      for (Socket socket : held) {
        socket.close();
      }
    }
    Reply again = open.post("/tokenize", "{\"content\":\"x\"}");
    for (int i = 0; again.status() == 503 && i < 100; i++) {
      Thread.sleep(20);
      again = open.post("/tokenize", "{\"content\":\"x\"}");
    }
    assertEquals(200, again.status(), again.body());
  }

  @Test
  void anAnswerHasItsTime() {
    try (RunningServer server =
        RunningServer.open(Setup.USUAL.withTimeout(Duration.ofMillis(100)))) {
      Reply reply = server.post("/v1/completions", LONG);
      assertEquals(504, reply.status());
      assertEquals("request_timeout", reply.json().at("/error/code").asText());
      Reply stream = server.post("/v1/completions", LONG.replace("{\"p", "{\"stream\":true,\"p"));
      assertEquals(200, stream.status());
      assertEquals("request_timeout", stream.events().getLast().at("/error/code").asText());
      assertFalse(stream.body().contains("[DONE]"));
    }
  }
}
