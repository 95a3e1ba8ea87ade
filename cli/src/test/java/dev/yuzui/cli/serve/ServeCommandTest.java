package dev.yuzui.cli.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.Interrupts;
import dev.yuzui.cli.Main;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ServeCommandTest {
  private static final String LISTENING = "listening on http://127.0.0.1:";

  @TempDir private Path folder;

  private Process start(String... more) throws IOException {
    List<String> line = new ArrayList<>();
    line.add(ProcessHandle.current().info().command().orElseThrow());
    line.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    line.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    line.add("serve");
    line.addAll(List.of(more));
    if (!line.contains("--device")) {
      line.addAll(List.of("--backend", "cpu"));
    }
    if (!line.contains("--port")) {
      line.addAll(List.of("--port", "0"));
    }
    return new ProcessBuilder(line)
        .redirectOutput(folder.resolve("out").toFile())
        .redirectError(folder.resolve("err").toFile())
        .start();
  }

  private String err() throws IOException {
    return Files.readString(folder.resolve("err"));
  }

  /** Where it listens, once it says so. */
  private URI address(Process process) throws Exception {
    for (int i = 0; process.isAlive() && !err().contains(LISTENING); i++) {
      assertTrue(i < 6000, () -> "it listens");
      Thread.sleep(10);
    }
    assertTrue(err().contains(LISTENING), err());
    String line = err().lines().filter(l -> l.startsWith(LISTENING)).findFirst().orElseThrow();
    return URI.create(line.substring(LISTENING.indexOf("http")));
  }

  private static HttpRequest completion(URI at, int tokens) {
    return HttpRequest.newBuilder(at.resolve("/v1/completions"))
        .header("Content-Type", "application/json")
        .POST(
            HttpRequest.BodyPublishers.ofString(
                "{\"prompt\":\"Once\",\"ignore_eos\":true,\"max_tokens\":" + tokens + "}"))
        .build();
  }

  private static void awaitRunning(HttpClient client, URI at) throws Exception {
    HttpRequest metrics = HttpRequest.newBuilder(at.resolve("/metrics")).build();
    for (int i = 0;
        client
            .send(metrics, BodyHandlers.ofString())
            .body()
            .lines()
            .noneMatch(line -> line.matches("vllm:num_requests_running.*} 1.0"));
        i++) {
      assertTrue(i < 5000, "it is not seen to run");
    }
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void itAnswersWithTheEmbeddedModelAndFinishesWhenItIsToldToEnd() throws Exception {
    Process process = start();
    try (HttpClient client = HttpClient.newHttpClient()) {
      URI at = address(process);
      assertEquals(200, client.send(completion(at, 3), BodyHandlers.ofString()).statusCode());
      var running = client.sendAsync(completion(at, 300), BodyHandlers.ofString());
      awaitRunning(client, at);
      process.destroy(); // SIGTERM
      assertEquals(200, running.get(60, TimeUnit.SECONDS).statusCode());
      assertTrue(process.waitFor(30, TimeUnit.SECONDS));
      assertEquals(0, process.exitValue(), err());
      assertEquals("", Files.readString(folder.resolve("out")));
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void whatIsNotDoneInTimeIsCutOff() throws Exception {
    Process process = start("--shutdown-timeout", "100ms");
    try (HttpClient client = HttpClient.newHttpClient()) {
      URI at = address(process);
      CompletableFuture<?> running =
          client.sendAsync(completion(at, 1900), BodyHandlers.ofString()).exceptionally(_ -> null);
      awaitRunning(client, at);
      process.destroy();
      assertTrue(process.waitFor(20, TimeUnit.SECONDS));
      assertTrue(err().contains("--shutdown-timeout: some answers were not done"), err());
      assertEquals(0, process.exitValue());
      running.get(10, TimeUnit.SECONDS);
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void anInterruptEndsItWithAnInterruptsCode() throws Exception {
    Interrupts.assumeHeard();
    Process process = start();
    try {
      address(process);
      Interrupts.send(process);
      assertTrue(process.waitFor(30, TimeUnit.SECONDS));
      assertEquals(130, process.exitValue(), err());
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void anInterruptEndsItWhileTheModelLoads() throws Exception {
    Interrupts.assumeHeard();
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    Process process = start("--port", Integer.toString(port), "--device", "broken:slow");
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest health =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/health")).build();
      int status = 0;
      for (int i = 0; process.isAlive() && status == 0; i++) {
        assertTrue(i < 6000, () -> "it listens");
        Thread.sleep(10);
        try {
          status = client.send(health, BodyHandlers.discarding()).statusCode();
        } catch (IOException _) {
          // not yet
        }
      }
      assertEquals(503, status, err());
      Interrupts.send(process);
      assertTrue(process.waitFor(10, TimeUnit.SECONDS), "it ends");
      assertEquals(130, process.exitValue(), err());
    } finally {
      process.destroyForcibly();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      value = {
        "--host 0.0.0.0 @ --host: expected an address of this machine alone, as 127.0.0.1, or --api-key-file beside it, found 0.0.0.0",
        "--host no-such-host.invalid --api-key-file pom.xml @ --host: expected an address of this machine, found no-such-host.invalid",
        "--cors-origin https://example.org/ @ --cors-origin: expected * or an origin, as https://example.org or http://localhost:3000, found https://example.org/",
        "--cors-origin example.org @ --cors-origin: expected * or an origin",
        "--port 70000 @ --port: expected 0 to 65535, found 70000",
        "--max-body 0 @ --max-body: expected 1 byte to 512M",
        "--request-timeout soon @ expected a time such as 5s, 500ms or 2m, found 'soon'",
        "--tls-key no.pem @ --tls-cert, --tls-key: expected both or none, found one",
        "--tls-key pom.xml --tls-cert pom.xml --port 0 @ --tls-cert, --tls-key: expected a certificate and its private key in PEM, found Missing",
        "--api-key-file no-such @ --api-key-file",
        "--reasoning hide @ --reasoning: expected --reasoning-format in its place",
        "--api-key secret @ --api-key is llama.cpp's; here use serve with --api-key-file FILE",
      })
  void flagsThatDoNotFitAreNamed(String flags, String message) {
    List<String> line = new ArrayList<>(List.of("serve"));
    line.addAll(List.of(flags.split(" ")));
    CommandRun run = CommandRun.yuzui(line.toArray(String[]::new));
    assertEquals(2, run.exitCode(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }

  @Test
  void anAddressThatIsTakenIsNamedBeforeTheModelIsLoaded() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      CommandRun run =
          CommandRun.yuzui(
              "serve", "--port", Integer.toString(taken.getLocalPort()), "-m", "no-such.gguf");
      assertEquals(1, run.exitCode());
      assertTrue(run.err().contains("--host, --port: expected an address that is free"), run.err());
    }
  }
}
