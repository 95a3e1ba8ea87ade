package dev.yuzui.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/**
 * A hub on this machine that does as a test says, and pulls from it into a cache of the test's own.
 */
abstract class HubCase {
  static final int PART = 1 << 16;
  static final byte[] MODEL = bytes(10 * PART + 17);
  static final HubName Q8 = HubName.parse("org/tiny:Q8_0");
  static final String SECRET = "hf_secretsecretsecret";

  @TempDir Path cache;
  final HubServer server = new HubServer();
  final List<String> said = new ArrayList<>();

  static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    new Random(count).nextBytes(bytes);
    return bytes;
  }

  @AfterEach
  void stop() {
    server.close();
  }

  final HubOptions options() {
    return HubOptions.of(HubSite.HUGGING_FACE, cache).withEndpoint(server.endpoint());
  }

  static Hub hub(HubOptions options) {
    return hub(options, Duration.ofSeconds(20));
  }

  static Hub hub(HubOptions options, Duration silence) {
    return new Hub(
        options, new Patience(4, Duration.ofMillis(5), Duration.ofSeconds(3), silence, PART));
  }

  final PullListener listener() {
    return new PullListener() {
      @Override
      public void said(String line) {
        said.add(line);
      }
    };
  }

  final Path pull(HubName name) {
    return pull(name, options());
  }

  final Path pull(HubName name, HubOptions options) {
    return hub(options).pull(name, listener(), () -> false);
  }

  final HubException refused(HubName name, HubOptions options) {
    HubException e = assertThrows(HubException.class, () -> pull(name, options));
    assertFalse((e.getMessage() + said).contains(SECRET), "the token is in no message");
    return e;
  }

  final HubException refused(HubName name) {
    return refused(name, options());
  }

  static void assertSays(HubException e, HubException.Fault fault, String... parts) {
    assertEquals(fault, e.fault(), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), part + " is not in: " + e.getMessage());
    }
  }

  final HubServer gguf() {
    return server.with("README.md").with("tiny-Q8_0.gguf", MODEL);
  }

  final Path folder() {
    return cache.resolve("models--org--tiny");
  }

  final List<String> inCache() throws IOException {
    try (Stream<Path> all = Files.walk(cache)) {
      return all.filter(Files::isRegularFile)
          .map(f -> cache.relativize(f).toString())
          .filter(f -> !f.endsWith(".lock"))
          .sorted()
          .toList();
    }
  }
}
