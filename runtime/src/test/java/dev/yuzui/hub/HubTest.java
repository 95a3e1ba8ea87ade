package dev.yuzui.hub;

import static dev.yuzui.hub.HubServer.COMMIT;
import static dev.yuzui.hub.HubServer.TINY;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Pulls from a hub on this machine: what is asked, what is kept, and what is said when it fails.
 */
class HubTest {
  private static final int PART = 1 << 16;
  private static final byte[] MODEL = bytes(10 * PART + 17);
  private static final HubName Q8 = HubName.parse("org/tiny:Q8_0");
  private static final String SECRET = "hf_secretsecretsecret";

  @TempDir private Path cache;
  private final HubServer server = new HubServer();
  private final List<String> said = new ArrayList<>();

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    new Random(count).nextBytes(bytes);
    return bytes;
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private HubOptions options() {
    return HubOptions.of(HubSite.HUGGING_FACE, cache).withEndpoint(server.endpoint());
  }

  private static Hub hub(HubOptions options) {
    return hub(options, Duration.ofSeconds(20));
  }

  private static Hub hub(HubOptions options, Duration silence) {
    return new Hub(
        options, new Patience(4, Duration.ofMillis(5), Duration.ofSeconds(3), silence, PART));
  }

  private PullListener listener() {
    return new PullListener() {
      @Override
      public void said(String line) {
        said.add(line);
      }
    };
  }

  private Path pull(HubName name) {
    return pull(name, options());
  }

  private Path pull(HubName name, HubOptions options) {
    return hub(options).pull(name, listener(), () -> false);
  }

  private HubException refused(HubName name, HubOptions options) {
    HubException e = assertThrows(HubException.class, () -> pull(name, options));
    assertFalse((e.getMessage() + said).contains(SECRET), "the token is in no message");
    return e;
  }

  private HubException refused(HubName name) {
    return refused(name, options());
  }

  private static void assertSays(HubException e, HubException.Fault fault, String... parts) {
    assertEquals(fault, e.fault(), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), part + " is not in: " + e.getMessage());
    }
  }

  private HubServer gguf() {
    return server.with("README.md").with("tiny-Q8_0.gguf", MODEL);
  }

  private Path folder() {
    return cache.resolve("models--org--tiny");
  }

  private List<String> inCache() throws IOException {
    try (Stream<Path> all = Files.walk(cache)) {
      return all.filter(Files::isRegularFile)
          .map(f -> cache.relativize(f).toString())
          .filter(f -> !f.endsWith(".lock"))
          .sorted()
          .toList();
    }
  }

  @Test
  void theCacheIsLaidOutAsTheHubsOwnToolsDo() throws IOException {
    gguf();
    Path model = pull(Q8);
    assertEquals(folder().resolve("snapshots").resolve(COMMIT).resolve("tiny-Q8_0.gguf"), model);
    assertArrayEquals(MODEL, Files.readAllBytes(model));
    String sha = HubServer.sha256(MODEL);
    assertEquals(Path.of("..", "..", "blobs", sha), Files.readSymbolicLink(model));
    assertEquals(COMMIT, Files.readString(folder().resolve("refs/main")));
    assertEquals(
        List.of(
            "models--org--tiny/blobs/" + sha,
            "models--org--tiny/refs/main",
            "models--org--tiny/snapshots/" + COMMIT + "/tiny-Q8_0.gguf"),
        inCache());
    assertTrue(Files.exists(cache.resolve(".locks/models--org--tiny/" + sha + ".lock")));
    assertEquals(11, server.downloads().size(), "parts of " + PART + " bytes");
    assertEquals(List.of(), said);
  }

  @Test
  void whatIsThereIsNotAskedForAgain() throws IOException {
    gguf();
    Path model = pull(Q8);
    int asked = server.downloads().size();
    Path locks = cache.resolve(".locks");
    Files.move(locks, cache.resolve("elsewhere"));
    assertEquals(model, pull(Q8));
    assertEquals(asked, server.downloads().size());
    assertFalse(Files.exists(locks), "and nothing is written");
  }

  @Test
  void aFolderHasWhatBelongsToItsSafetensors() throws IOException {
    server.listsPagesOf(3);
    List<String> wanted =
        List.of(
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json");
    wanted.forEach(server::with);
    List.of("README.md", "pytorch_model.bin", "onnx/model.onnx", "figures/a.png", "inference/x.py")
        .forEach(server::with);
    server.with("config.json", new byte[0]); // nothing is something too
    Path model = pull(TINY);
    try (Stream<Path> files = Files.list(model)) {
      assertEquals(wanted, files.map(f -> f.getFileName().toString()).sorted().toList());
    }
    assertEquals(5, server.asked().stream().filter(a -> a.path().contains("/tree/")).count());
    byte[] tokenizer = "tokenizer.json".getBytes(StandardCharsets.UTF_8);
    assertEquals(
        HubServer.gitId(tokenizer),
        Files.readSymbolicLink(model.resolve("tokenizer.json")).getFileName().toString());
  }

  @Test
  void aPlanFetchesNothing() throws IOException {
    gguf();
    Hub.Plan plan = hub(options()).plan(Q8, listener(), () -> false);
    assertEquals(MODEL.length, plan.missing());
    assertEquals(List.of("tiny-Q8_0.gguf"), plan.files().stream().map(HubFile::path).toList());
    assertEquals(List.of(), inCache());
    assertEquals(plan.model(), pull(Q8));
    assertEquals(0, hub(options()).plan(Q8, listener(), () -> false).missing());
  }

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
  void aGatedModelNamesThePageOfItsLicence() {
    gguf();
    server.on(
        exchange -> {
          if (exchange.getRequestURI().getPath().contains("/resolve/")) {
            HubServer.refuse(exchange, 403, "GatedRepo");
            return true;
          }
          return false;
        });
    String page = server.endpoint() + "/org/tiny";
    assertSays(refused(Q8), HubException.Fault.ASKED, "gated", page, "set HF_TOKEN");
    HubOptions withToken = options().withToken(HubToken.of(SECRET, "HF_TOKEN"));
    assertSays(
        refused(Q8, withToken), HubException.Fault.ASKED, page + " with the account of your token");
  }

  @Test
  void aRepositoryThatIsNotThereMayBePrivate() {
    HubName other = HubName.parse("org/other");
    assertSays(
        refused(other),
        HubException.Fault.ASKED,
        "no such repository, or a private one",
        server.endpoint() + "/org/other",
        "set HF_TOKEN");
    server.on(
        exchange -> {
          exchange.sendResponseHeaders(401, -1);
          return true;
        });
    assertSays(refused(other), HubException.Fault.ASKED, "no such repository, or a private one");
    HubOptions withToken = options().withToken(HubToken.of(SECRET, "HF_TOKEN"));
    assertSays(
        refused(other, withToken), HubException.Fault.ASKED, "may not be read with this token");
  }

  @Test
  void aRevisionMayBeNamedAndMustBeThere() throws IOException {
    gguf();
    pull(Q8, options().withRevision("v1"));
    assertEquals(COMMIT, Files.readString(folder().resolve("refs/v1")));
    assertFalse(Files.exists(folder().resolve("refs/main")));
    assertSays(
        refused(Q8, options().withRevision("v2")),
        HubException.Fault.ASKED,
        "HubOptions.revision: expected a branch, tag or commit of org/tiny",
        "found 'v2'");
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
  void theTokenFollowsNoRedirectToAnotherHost() throws IOException {
    try (HubServer elsewhere = new HubServer()) {
      gguf();
      elsewhere.with("tiny-Q8_0.gguf", MODEL);
      server.on(
          exchange -> {
            if (!exchange.getRequestURI().getPath().contains("/resolve/")) {
              return false;
            }
            exchange
                .getResponseHeaders()
                .set(
                    "Location",
                    elsewhere.endpoint() + "/" + exchange.getRequestURI() + "?signed=1");
            exchange.sendResponseHeaders(302, -1);
            return true;
          });
      elsewhere.on(
          exchange -> {
            elsewhere.file(exchange, "tiny-Q8_0.gguf");
            return true;
          });
      Path model = pull(Q8, options().withToken(HubToken.of(SECRET + "\n", "HF_TOKEN")));
      assertArrayEquals(MODEL, Files.readAllBytes(model));
      assertEquals(11, elsewhere.asked().size());
      assertTrue(elsewhere.asked().stream().allMatch(a -> a.token().isEmpty()));
      assertTrue(
          server.asked().stream().allMatch(a -> a.token().equals(Optional.of("Bearer " + SECRET))));
    }
  }

  @Test
  void theTokenGoesOverNoNetworkInTheClear() {
    gguf();
    // the server stands for a proxy, which sees what a network would
    InetSocketAddress proxy =
        InetSocketAddress.createUnresolved("127.0.0.1", server.endpoint().getPort());
    HubOptions options =
        options()
            .withEndpoint(URI.create("http://hub.example"))
            .withProxy(proxy)
            .withToken(HubToken.of(SECRET, "HF_TOKEN"));
    pull(Q8, options);
    assertFalse(server.downloads().isEmpty());
    assertTrue(server.asked().stream().allMatch(a -> a.token().isEmpty()));
    assertTrue(said.getFirst().contains("the token is not sent"), said.toString());
  }

  @ParameterizedTest
  @CsvSource({
    "/again, redirected more than 10 times",
    "file:///etc/passwd, 'file:///etc/passwd'",
    "'', expected a redirect to a web address"
  })
  void aRedirectThatLeadsNowhereIsNotFollowed(String location, String message) {
    server.on(
        exchange -> {
          exchange.getResponseHeaders().set("Location", location);
          exchange.sendResponseHeaders(307, -1);
          return true;
        });
    assertSays(refused(Q8), HubException.Fault.SYSTEM, message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../tiny-Q8_0.gguf",
        "/tmp/tiny-Q8_0.gguf",
        "a/../../tiny-Q8_0.gguf",
        "a//tiny-Q8_0.gguf",
        "..\\tiny-Q8_0.gguf",
        "tiny-Q8_0.gguf\n",
        "C:tiny-Q8_0.gguf",
        "\u202efugg.-Q8_0.gguf",
        " /tiny-Q8_0.gguf",
        "a/./tiny-Q8_0.gguf"
      })
  void aListingThatLeadsOutOfTheCacheIsRefused(String path) throws IOException {
    server.with(path, MODEL);
    HubException e = refused(Q8);
    assertTrue(e.getMessage().chars().noneMatch(c -> c < ' ' && c != '\n'), e.getMessage());
    assertEquals(List.of(), inCache());
    assertEquals(List.of(), server.downloads());
  }

  @Test
  void whatIsNoListingIsSaidSo() {
    for (Object nonsense : List.of(Map.of(), Map.of("sha", "../../x"), List.of(1))) {
      server.on(
          exchange -> {
            HubServer.json(exchange, nonsense);
            return true;
          });
      assertSays(refused(Q8), HubException.Fault.SYSTEM, "expected a commit");
    }
    server.on(
        exchange -> {
          exchange.sendResponseHeaders(200, 6);
          exchange.getResponseBody().write("<html>".getBytes(StandardCharsets.US_ASCII));
          return true;
        });
    assertSays(refused(Q8), HubException.Fault.SYSTEM, "expected a listing in JSON");
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

  @Test
  void offlineTheCacheIsAllThereIs() {
    gguf();
    HubOptions offline = options().withOffline(true);
    assertSays(
        refused(Q8, offline),
        HubException.Fault.ASKED,
        "a whole download of org/tiny:Q8_0 at main, found none",
        "without HubOptions.offline");
    Path model = pull(Q8);
    int asked = server.asked().size();
    assertEquals(model, pull(Q8, offline));
    assertEquals(model, pull(TINY, offline));
    assertEquals(model, pull(Q8, offline.withRevision(COMMIT)));
    assertSays(
        refused(HubName.parse("org/tiny:Q4_K_M"), offline),
        HubException.Fault.ASKED,
        "expected a GGUF called Q4_K_M, found none",
        "without HubOptions.offline the rest is fetched");
    assertEquals(asked, server.asked().size());
  }

  @Test
  void aHubThatIsSilentLeavesWhatTheCacheHas() {
    gguf();
    HubOptions options = options();
    assertSays(
        refused(Q8, options.withEndpoint(URI.create("http://127.0.0.1:1"))),
        HubException.Fault.SYSTEM,
        "127.0.0.1:1: cannot be reached, 4 times");
    Path model = pull(Q8);
    assertEquals(model, pull(Q8, options.withEndpoint(URI.create("http://127.0.0.1:1"))));
    assertTrue(said.getLast().endsWith("; taking " + model + ", which is in the cache"));
  }

  @Test
  void thePartsOfASplitModelComeTogether() throws IOException {
    for (int part = 1; part <= 3; part++) {
      server.with("UD-IQ1_S/tiny-UD-IQ1_S-0000" + part + "-of-00003.gguf", bytes(part));
    }
    Path model = pull(HubName.parse("org/tiny:iq1_s"));
    assertTrue(model.endsWith("UD-IQ1_S/tiny-UD-IQ1_S-00001-of-00003.gguf"));
    assertEquals(Path.of("..", "..", "..", "blobs"), Files.readSymbolicLink(model).getParent());
    try (Stream<Path> parts = Files.list(model.getParent())) {
      assertEquals(3, parts.count());
    }
  }

  @Test
  void aModelWithoutRoomIsNotBegun() throws IOException {
    server.on(
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("/tree/")) {
            return false;
          }
          HubServer.json(
              exchange,
              List.of(
                  Map.of(
                      "type",
                      "file",
                      "path",
                      "tiny-Q8_0.gguf",
                      "size",
                      1L << 60,
                      "oid",
                      COMMIT,
                      "lfs",
                      Map.of("oid", "0".repeat(64), "size", 1L << 60))));
          return true;
        });
    assertSays(
        refused(Q8),
        HubException.Fault.SYSTEM,
        "expected room for 1073741824.00 GiB, found ",
        "HF_HUB_CACHE");
    assertEquals(List.of(), server.downloads());
    assertEquals(List.of(), inCache());
  }

  @Test
  void aCacheThatCannotBeWrittenIsNamed() throws IOException {
    gguf();
    Path file = Files.createFile(cache.resolve("file"));
    for (Path wrong : List.of(file, file.resolve("below"))) {
      HubOptions options =
          HubOptions.of(HubSite.HUGGING_FACE, wrong).withEndpoint(server.endpoint());
      assertSays(
          refused(Q8, options),
          HubException.Fault.SYSTEM,
          "the cache " + wrong + ": cannot be written: ",
          "HF_HUB_CACHE");
    }
    assertEquals(List.of(), server.downloads());
  }

  @Test
  void modelScopeHasPathsOfItsOwnAndTheSameCache() throws IOException {
    gguf();
    Path model = pull(Q8);
    HubOptions options =
        HubOptions.of(HubSite.MODELSCOPE, cache)
            .withEndpoint(server.endpoint())
            .withToken(HubToken.of(SECRET, "MODELSCOPE_API_TOKEN"));
    int before = server.downloads().size();
    Path same = pull(Q8, options);
    assertArrayEquals(MODEL, Files.readAllBytes(same));
    assertFalse(same.equals(model));
    assertEquals(before, server.downloads().size(), "the bytes were there");
    assertEquals(COMMIT, Files.readString(folder().resolve("refs/main")));
    String commit = Files.readString(folder().resolve("refs/master"));
    assertTrue(same.endsWith(Path.of(commit, "tiny-Q8_0.gguf")));
    assertEquals(same, pull(Q8, options.withOffline(true)));

    server.with("tiny-Q4_K_M.gguf", bytes(3 * PART));
    Path other = pull(HubName.parse("org/tiny"), options);
    assertTrue(other.endsWith("tiny-Q4_K_M.gguf"));
    assertEquals(
        "/models/org/tiny/resolve/master/tiny-Q4_K_M.gguf", server.downloads().getLast().path());
    assertEquals(Optional.of("Bearer " + SECRET), server.downloads().getLast().token());
  }

  @Test
  void whatModelScopeSaysIsPassedOn() {
    HubOptions options = HubOptions.of(HubSite.MODELSCOPE, cache).withEndpoint(server.endpoint());
    server.on(
        exchange -> {
          HubServer.json(
              exchange,
              Map.of("Code", 10010205001L, "Success", false, "Message", "no such\nmodel"));
          return true;
        });
    assertSays(
        refused(Q8, options),
        HubException.Fault.ASKED,
        "found 'no such?model'",
        server.endpoint() + "/models/org/tiny",
        "MODELSCOPE_API_TOKEN");
  }
}
