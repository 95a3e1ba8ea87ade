package dev.yuzui.hub;

import static dev.yuzui.hub.HubServer.COMMIT;
import static dev.yuzui.hub.HubServer.TINY;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What lies in the cache after a pull, what is not fetched because it is there, and where both hubs
 * keep it.
 */
class HubCacheTest extends HubCase {
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
}
