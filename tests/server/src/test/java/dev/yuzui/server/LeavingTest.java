package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.server.RunningServer.Setup;
import dev.yuzui.server.http.HttpOptions;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Clients that leave, or stay and read nothing, stop costing. */
class LeavingTest {
  private static RunningServer server;

  private static HttpOptions impatient(HttpOptions http) {
    return new HttpOptions(
        http.host(),
        http.port(),
        List.of(),
        List.of(),
        4 << 20,
        http.headerTimeout(),
        http.bodyTimeout(),
        Duration.ofSeconds(1),
        Optional.empty());
  }

  @BeforeAll
  static void open() {
    server = RunningServer.open(Setup.USUAL.with(LeavingTest::impatient).withQueue(2000));
  }

  @AfterAll
  static void close() {
    server.close();
  }

  private static Socket ask(String body, int receiveBuffer) throws IOException {
    return ask("/v1/completions", body, receiveBuffer);
  }

  private static Socket ask(String path, String body, int receiveBuffer) throws IOException {
    Socket socket = new Socket();
    if (receiveBuffer > 0) {
      socket.setReceiveBufferSize(receiveBuffer);
    }
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    String head =
        "POST "
            + path
            + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Content-Length: "
            + bytes.length
            + "\r\n\r\n";
    socket.getOutputStream().write(head.getBytes(StandardCharsets.ISO_8859_1));
    socket.getOutputStream().write(bytes);
    socket.getOutputStream().flush();
    return socket;
  }

  private static String request(String prompt, boolean stream) {
    return "{\"prompt\":\""
        + prompt
        + "\",\"max_tokens\":1900,\"ignore_eos\":true,\"stream\":"
        + stream
        + "}";
  }

  private static void awaitRunning() throws InterruptedException {
    long until = System.nanoTime() + 5_000_000_000L;
    while (server.engine().metrics().requestsRunning() == 0) {
      assertTrue(System.nanoTime() < until, "nothing runs");
      Thread.sleep(1);
    }
  }

  /** 50 ms and a step are the promise; a machine that others use may take a little more. */
  private static final Duration SOON = Duration.ofMillis(500);

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whoLeavesIsNotAnswered(boolean stream) throws Exception {
    Socket socket = ask(request("Once", stream), 0);
    awaitRunning();
    socket.close();
    assertTrue(server.quietWithin(SOON));
    assertEquals(0, server.engine().metrics().cacheUsage(), 0.2, "only what a prefix may reuse");
  }

  @Test
  void whoLeavesDuringALongPromptToo() throws Exception {
    Socket socket = ask(request("The king had three sons. ".repeat(250), false), 0);
    awaitRunning();
    socket.close();
    assertTrue(server.quietWithin(SOON));
  }

  @Test
  void whoReadsNothingIsDropped() throws Exception {
    // so much is made that neither side's buffers hold it
    String request =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"n\":2,\"logprobs\":true,"
            + "\"top_logprobs\":20,\"max_tokens\":1900,\"ignore_eos\":true,\"stream\":true}";
    List<Socket> sockets = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      sockets.add(ask("/v1/chat/completions", request, 1024));
    }
    awaitRunning();
    double gone = gone();
    assertTrue(server.quietWithin(Duration.ofSeconds(20)));
    long until = System.nanoTime() + 5_000_000_000L;
    while (gone() < gone + sockets.size()) {
      assertTrue(System.nanoTime() < until, "they are waited for");
      Thread.sleep(20);
    }
    for (Socket socket : sockets) {
      socket.close();
    }
  }

  /** Asks for a whole answer of megabytes, which take no time to make. */
  private static Socket askForMuch(int length) throws IOException {
    return ask("/detokenize", server.muchText(length), 64 << 10);
  }

  /** Reads an answer of which so much may be waited for; whether all of it came. */
  private static boolean readsAll(Socket socket, int pause) throws Exception {
    InputStream in = socket.getInputStream();
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      head.append((char) in.read());
    }
    assertTrue(head.toString().contains("TTP/1.1 200"), head.toString());
    String length = head.toString().toLowerCase(Locale.ROOT).split("content-length: ")[1];
    long left = Long.parseLong(length.split("\r")[0]);
    assertTrue(left > 2 << 20, "no socket's buffers hold " + left);
    byte[] piece = new byte[64 << 10];
    for (int read = 0; left > 0 && read >= 0; left -= Math.max(0, read)) {
      Thread.sleep(pause);
      try {
        read = in.read(piece);
      } catch (IOException _) {
        read = -1; // reset
      }
    }
    return left == 0;
  }

  @Test
  void whoReadsAWholeAnswerSlowlyGetsItAll() throws Exception {
    long start = System.nanoTime();
    try (Socket socket = askForMuch(4 << 20)) {
      assertTrue(readsAll(socket, 15));
    }
    assertTrue(System.nanoTime() - start > 1.5e9, "longer than the write timeout");
  }

  @Test
  void whoReadsNothingOfAWholeAnswerIsDropped() throws Exception {
    try (Socket socket = askForMuch(2 << 20)) {
      assertEquals('H', socket.getInputStream().read());
      Thread.sleep(3000);
      assertFalse(readsAll(socket, 0));
    }
  }

  /** Requests whose client left, as counted. */
  private static double gone() {
    return server
        .get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith("yuzui:request_failure_total{code=\"client_gone\""))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
        .sum();
  }

  /** At a random moment of a random kind of request. */
  private static void leave(int times, Random random) throws Exception {
    for (int i = 0; i < times; i++) {
      String prompt = "The king. ".repeat(1 + random.nextInt(40));
      Socket socket = ask(request(prompt, random.nextBoolean()), 0);
      if (random.nextInt(3) > 0) {
        Thread.sleep(random.nextInt(30));
      }
      if (random.nextBoolean()) {
        socket.setSoLinger(true, 0); // a reset, not an end
      }
      socket.close();
    }
  }

  @Test
  void manyThatLeaveLeaveNothing() throws Exception {
    leave(150, new Random(5));
    assertTrue(server.quietWithin(Duration.ofSeconds(1)));
    assertEquals(
        200, server.post("/v1/completions", "{\"prompt\":\"A\",\"max_tokens\":2}").status());
  }

  @Test
  @Tag("long")
  void aThousandThatLeaveLeaveNothing() throws Exception {
    leave(1000, new Random(6));
    assertTrue(server.quietWithin(Duration.ofSeconds(1)));
  }

  @Test
  void aThousandStreamsThatWaitTakeLittle() throws Exception {
    // four run and the others wait for them
    long before = used();
    List<Socket> sockets = new ArrayList<>();
    try {
      for (int i = 0; i < 1000; i++) {
        sockets.add(ask(request("Once upon a time " + i, true), 4096));
      }
      long until = System.nanoTime() + 20_000_000_000L;
      while (server.engine().metrics().requestsWaiting() < 1000 - RunningServer.SEQUENCES - 1) {
        assertTrue(System.nanoTime() < until, () -> "not all wait: " + server.engine().metrics());
        Thread.sleep(5);
      }
      long taken = used() - before;
      assertTrue(taken < 100L << 20, "1,000 streams take " + (taken >> 20) + " MiB");
    } finally {
      for (Socket socket : sockets) {
        socket.close();
      }
    }
    assertTrue(server.quietWithin(Duration.ofSeconds(5)));
  }

  private static long used() throws InterruptedException {
    for (int i = 0; i < 3; i++) {
      System.gc();
      Thread.sleep(50);
    }
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }
}
