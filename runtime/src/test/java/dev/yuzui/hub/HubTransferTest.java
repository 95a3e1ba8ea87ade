package dev.yuzui.hub;

import static dev.yuzui.hub.HubServer.TINY;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bytes that come late, in pieces, twice, not at all, or are others. */
class HubTransferTest extends HubCase {
  @Test
  void aConnectionThatIsCutGoesOnWhereItWas() throws IOException {
    gguf();
    AtomicInteger cuts = new AtomicInteger();
    server.on(
        exchange -> {
          String range = exchange.getRequestHeaders().getFirst("Range");
          if (range != null && HubServer.from(range) == 3 * PART && cuts.getAndIncrement() < 3) {
            exchange
                .getResponseHeaders()
                .set("Content-Range", range.replace("=", " ") + "/" + MODEL.length);
            exchange.sendResponseHeaders(206, PART);
            exchange.getResponseBody().write(MODEL, 3 * PART, 1000);
            exchange.getResponseBody().flush();
            return true; // and closes
          }
          return false;
        });
    assertArrayEquals(MODEL, Files.readAllBytes(pull(Q8)));
    assertTrue(
        server.downloads().stream()
            .anyMatch(a -> a.range().orElse("").startsWith("bytes=" + (3 * PART + 1000) + "-")),
        server.downloads().toString());
  }

  @Test
  void aServerWithoutPartsSendsTheWholeFile() throws IOException {
    gguf();
    server.hasNoRanges();
    assertArrayEquals(MODEL, Files.readAllBytes(pull(Q8)));
    assertEquals(2, server.downloads().size(), "one shows it, one brings it");
  }

  /** As ModelScope's do. */
  @Test
  void aPartMayComeWithStatus200() throws IOException {
    gguf();
    server.on(
        exchange -> {
          String range = exchange.getRequestHeaders().getFirst("Range");
          if (range == null) {
            return false;
          }
          int from = HubServer.from(range);
          int to = Integer.parseInt(range.replaceFirst(".*-", "")) + 1;
          exchange.sendResponseHeaders(200, to - from);
          exchange.getResponseBody().write(MODEL, from, to - from);
          return true;
        });
    assertArrayEquals(MODEL, Files.readAllBytes(pull(Q8)));
    assertEquals(11, server.downloads().size());
  }

  @Test
  void anotherPartThanWasAskedForIsNotTaken() throws IOException {
    gguf();
    server.on(
        exchange -> {
          if (exchange.getRequestHeaders().getFirst("Range") == null) {
            return false;
          }
          exchange.getResponseHeaders().set("Content-Range", "bytes 0-65535/" + MODEL.length);
          exchange.sendResponseHeaders(206, PART);
          exchange.getResponseBody().write(MODEL, 0, PART);
          return true;
        });
    assertSays(
        refused(Q8), HubException.Fault.SYSTEM, "tiny-Q8_0.gguf", ", found 0-65535", "goes on");
    assertFalse(Files.exists(folder().resolve("blobs").resolve(HubServer.sha256(MODEL))));
  }

  @Test
  void aLengthThatIsNotTheListingsIsNotTaken() {
    server.with("tiny-Q8_0.gguf", bytes(1000));
    server.on(
        exchange -> {
          if (exchange.getRequestURI().getPath().contains("/resolve/")) {
            exchange.sendResponseHeaders(200, 999);
            exchange.getResponseBody().write(bytes(999));
            return true;
          }
          return false;
        });
    assertSays(refused(Q8), HubException.Fault.SYSTEM, "expected 1000 bytes, found 999");
  }

  @ParameterizedTest
  @ValueSource(strings = {"tiny-Q8_0.gguf", "config.json"})
  void bytesThatAreOthersAreDropped(String damaged) throws IOException {
    server.with("config.json").with("model.safetensors").with("tiny-Q8_0.gguf", MODEL);
    server.on(
        exchange -> {
          String path = exchange.getRequestURI().getPath();
          if (!path.endsWith(damaged)) {
            return false;
          }
          int count = damaged.equals("config.json") ? damaged.length() : PART;
          String range = exchange.getRequestHeaders().getFirst("Range");
          if (range != null) {
            int from = HubServer.from(range);
            count = Math.min(PART, MODEL.length - from);
            exchange
                .getResponseHeaders()
                .set("Content-Range", range.replace("=", " ") + "/" + MODEL.length);
          }
          exchange.sendResponseHeaders(range == null ? 200 : 206, count);
          exchange.getResponseBody().write(new byte[count]);
          return true;
        });
    HubName name = damaged.equals("config.json") ? TINY : Q8;
    HubException e = refused(name);
    assertSays(e, HubException.Fault.SYSTEM, damaged + ": expected SHA-", ", found ", "dropped");
    String blob =
        damaged.equals("config.json")
            ? HubServer.gitId(damaged.getBytes(StandardCharsets.UTF_8))
            : HubServer.sha256(MODEL);
    assertTrue(inCache().stream().noneMatch(f -> f.contains(blob)), inCache().toString());
    assertFalse(Files.exists(folder().resolve("refs/main")));
  }

  @Test
  void aBusyHubIsLeftAloneAsLongAsItAsks() {
    gguf();
    AtomicInteger left = new AtomicInteger(1);
    server.on(
        exchange -> {
          if (left.getAndDecrement() > 0) {
            exchange.getResponseHeaders().set("Retry-After", "1");
            exchange.sendResponseHeaders(429, -1);
            return true;
          }
          return false;
        });
    long start = System.nanoTime();
    pull(Q8);
    assertTrue(System.nanoTime() - start >= 1_000_000_000L);
    assertTrue(said.getFirst().contains("answered 429; trying again in 1 s"), said.toString());
    left.set(1000);
    server.on(
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "3600");
          exchange.sendResponseHeaders(429, -1);
          return true;
        });
    HubException e =
        assertThrows(HubException.class, () -> hub(options()).plan(Q8, listener(), () -> false));
    assertSays(e, HubException.Fault.SYSTEM, "asks to wait 3600 s");
  }

  @Test
  void anErrorOfTheServersIsTriedAgainButNotForEver() {
    gguf();
    AtomicInteger errors = new AtomicInteger(3);
    server.on(
        exchange -> {
          if (errors.getAndDecrement() > 0) {
            exchange.sendResponseHeaders(503, -1);
            return true;
          }
          return false;
        });
    pull(Q8);
    errors.set(1000);
    HubException e =
        assertThrows(HubException.class, () -> hub(options()).plan(Q8, listener(), () -> false));
    assertSays(e, HubException.Fault.SYSTEM, "answered 503, 4 times");
  }

  @Test
  void aSilentConnectionIsCutAndTriedAgain() throws IOException {
    gguf();
    AtomicInteger silent = new AtomicInteger(2);
    server.on(
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("/resolve/")
              || silent.getAndDecrement() <= 0) {
            return false;
          }
          String range = exchange.getRequestHeaders().getFirst("Range");
          exchange
              .getResponseHeaders()
              .set("Content-Range", range.replace("=", " ") + "/" + MODEL.length);
          exchange.sendResponseHeaders(206, PART);
          exchange.getResponseBody().write(MODEL, HubServer.from(range), 10);
          exchange.getResponseBody().flush();
          Patience.pause(2000);
          return true;
        });
    Path model = hub(options(), Duration.ofMillis(400)).pull(Q8, PullListener.NONE, () -> false);
    assertArrayEquals(MODEL, Files.readAllBytes(model));
  }

  @Test
  void aPullThatWasInterruptedGoesOn() throws IOException {
    gguf();
    AtomicBoolean enough = new AtomicBoolean();
    server.on(
        exchange -> {
          if (server.downloads().size() > 5) {
            enough.set(true);
            Patience.pause(300); // so that the last of them do not come
          }
          return false;
        });
    HubException e =
        assertThrows(
            HubException.class,
            () -> hub(options().withConnections(2)).pull(Q8, PullListener.NONE, enough::get));
    assertSays(e, HubException.Fault.INTERRUPTED, "goes on");
    assertEquals(
        2, inCache().stream().filter(f -> f.contains(".yuzui.")).count(), inCache().toString());
    int before = server.downloads().size();
    server.on(_ -> false);
    List<Long> fetched = new ArrayList<>();
    Path model =
        hub(options())
            .pull(
                Q8,
                new PullListener() {
                  @Override
                  public void progressed(long done, long came, long total) {
                    assertEquals(MODEL.length, total);
                    fetched.add(came);
                  }
                },
                () -> false);
    assertArrayEquals(MODEL, Files.readAllBytes(model));
    assertTrue(server.downloads().size() - before <= 7, server.downloads().toString());
    assertTrue(fetched.getLast() > 0 && fetched.getLast() <= 7 * PART, fetched.toString());
    assertTrue(inCache().stream().noneMatch(f -> f.contains(".yuzui.")), inCache().toString());
  }

  @Test
  void aRecordThatIsDamagedIsNotBelieved() throws IOException {
    gguf();
    String sha = HubServer.sha256(MODEL);
    Path blobs = Files.createDirectories(folder().resolve("blobs"));
    for (String record :
        List.of(
            "{\"size\":" + MODEL.length + ",\"ranges\":[[0,100000]]}", // more than is there
            "{\"size\":5,\"ranges\":[]}",
            "{\"size\":" + MODEL.length + ",\"ranges\":[[-1,3]]}",
            "{",
            "")) {
      Files.write(blobs.resolve(sha + ".yuzui.incomplete"), new byte[100]);
      Files.writeString(blobs.resolve(sha + ".yuzui.ranges"), record);
      assertArrayEquals(MODEL, Files.readAllBytes(pull(Q8)), record);
      Files.delete(blobs.resolve(sha));
    }
  }

  @Test
  void twoPullsAtOnceFetchOnce() throws Exception {
    gguf();
    server.on(
        exchange -> {
          if (exchange.getRequestURI().getPath().contains("/resolve/")) {
            Patience.pause(30);
          }
          return false;
        });
    List<CompletableFuture<Path>> both =
        Stream.of(1, 2)
            .map(
                _ ->
                    CompletableFuture.supplyAsync(
                        () ->
                            hub(options().withConnections(2))
                                .pull(Q8, PullListener.NONE, () -> false)))
            .toList();
    for (CompletableFuture<Path> one : both) {
      assertArrayEquals(MODEL, Files.readAllBytes(one.get()));
    }
    assertEquals(11, server.downloads().size());
  }
}
