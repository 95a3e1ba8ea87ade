package dev.yuzui.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whom the token is shown, which answers are not followed, and what is said of what one may not
 * have.
 */
class HubAccessTest extends HubCase {
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
