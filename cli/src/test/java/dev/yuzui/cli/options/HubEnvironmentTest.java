package dev.yuzui.cli.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.hub.HubException;
import dev.yuzui.hub.HubSite;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is set up for the hubs' own tools. */
class HubEnvironmentTest {
  @TempDir private Path folder;

  private HubEnvironment with(Map<String, String> variables) {
    return new HubEnvironment(variables, folder);
  }

  @Test
  void theCacheIsWhereTheHubsToolsHaveIt() {
    assertEquals(folder.resolve("hub"), with(Map.of()).cache());
    assertEquals(Path.of("/h/hub"), with(Map.of("HF_HOME", "/h")).cache());
    assertEquals(Path.of("/c"), with(Map.of("HF_HOME", "/h", "HF_HUB_CACHE", "/c")).cache());
  }

  @Test
  void aTokenIsInAVariableOrAFileAndIsOneHubsAlone() throws IOException {
    assertTrue(with(Map.of()).token(HubSite.HUGGING_FACE).isEmpty());
    Files.writeString(folder.resolve("token"), "hf_file\n");
    assertTrue(with(Map.of()).token(HubSite.HUGGING_FACE).isPresent());
    assertTrue(with(Map.of("HF_TOKEN", "hf_x")).token(HubSite.MODELSCOPE).isEmpty());
    assertTrue(with(Map.of("MODELSCOPE_API_TOKEN", "x")).token(HubSite.MODELSCOPE).isPresent());
    Path other = Files.writeString(folder.resolve("other"), "");
    Map<String, String> path = Map.of("HF_TOKEN_PATH", other.toString());
    assertTrue(with(path).token(HubSite.HUGGING_FACE).isEmpty());
    HubException e =
        assertThrows(
            HubException.class,
            () -> with(Map.of("HF_TOKEN", "two words")).token(HubSite.HUGGING_FACE));
    assertTrue(e.getMessage().startsWith("HF_TOKEN: expected a token"), e.getMessage());
    assertTrue(!e.getMessage().contains("two words"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"1, true", "TRUE, true", "yes, true", "on, true", "0, false", "no, false"})
  void offlineMayBeSaidForAllTools(String value, boolean offline) {
    assertEquals(offline, with(Map.of("HF_HUB_OFFLINE", value)).offline());
  }

  @Test
  void aMirrorIsAnAddressOrModelScopesHost() {
    assertEquals(Optional.empty(), with(Map.of()).endpoint(HubSite.HUGGING_FACE));
    HubEnvironment both =
        with(Map.of("HF_ENDPOINT", "https://m.example", "MODELSCOPE_DOMAIN", "n.example"));
    assertEquals(Optional.of(URI.create("https://m.example")), both.endpoint(HubSite.HUGGING_FACE));
    assertEquals(Optional.of(URI.create("https://n.example")), both.endpoint(HubSite.MODELSCOPE));
    UsageException e =
        assertThrows(
            UsageException.class,
            () -> with(Map.of("HF_ENDPOINT", "https://a b")).endpoint(HubSite.HUGGING_FACE));
    assertTrue(e.getMessage().startsWith("HF_ENDPOINT: expected an address"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({
    "https://hub.example, HTTPS_PROXY, http://p.example:3128, '', p.example:3128",
    "https://hub.example, https_proxy, p.example, '', p.example:80",
    "http://hub.example, HTTPS_PROXY, http://p.example:3128, '', ''",
    "https://hub.example, HTTPS_PROXY, http://p.example:3128, 'x, .example', ''",
    "https://hub.example, HTTPS_PROXY, http://p.example:3128, *, ''",
    "https://hub.example, HTTPS_PROXY, http://p.example:3128, b.example, p.example:3128",
    "http://127.0.0.1:8000, http_proxy, http://p.example:3128, '', ''"
  })
  void aProxyIsGoneThroughUnlessItIsNotMeant(
      String endpoint, String name, String proxy, String direct, String expected) {
    Optional<InetSocketAddress> found =
        with(Map.of(name, proxy, "NO_PROXY", direct)).proxy(URI.create(endpoint));
    assertEquals(expected, found.map(a -> a.getHostString() + ":" + a.getPort()).orElse(""));
  }

  @Test
  void aProxyWithAPasswordIsRefusedWithoutShowingIt() {
    Map<String, String> variables = Map.of("HTTPS_PROXY", "http://me:secret@p.example");
    UsageException e =
        assertThrows(
            UsageException.class, () -> with(variables).proxy(URI.create("https://hub.example")));
    assertTrue(e.getMessage().startsWith("HTTPS_PROXY: expected a proxy"), e.getMessage());
    assertTrue(!e.getMessage().contains("secret"), e.getMessage());
  }
}
