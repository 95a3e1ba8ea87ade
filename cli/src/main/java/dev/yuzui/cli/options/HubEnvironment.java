package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.hub.HubSite;
import dev.yuzui.hub.HubToken;
import dev.yuzui.io.Texts;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What the variables of {@code huggingface_hub} and {@code modelscope} mean, so that what is set up
 * for these tools is for this one too.
 *
 * @param usual the folder that {@code HF_HOME} stands in for
 */
record HubEnvironment(Map<String, String> variables, Path usual) {
  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

  static HubEnvironment of(Surroundings surroundings) {
    return new HubEnvironment(
        surroundings.hub(), surroundings.cache().resolveSibling("huggingface"));
  }

  private Optional<String> variable(String name) {
    return Optional.ofNullable(variables.get(name));
  }

  private Path home() {
    return variable("HF_HOME").map(Path::of).orElse(usual);
  }

  Path cache() {
    return variable("HF_HUB_CACHE").map(Path::of).orElseGet(() -> home().resolve("hub"));
  }

  boolean offline() {
    return variable("HF_HUB_OFFLINE")
        .filter(value -> TRUE.contains(value.toUpperCase(Locale.ROOT)))
        .isPresent();
  }

  Optional<URI> endpoint(HubSite site) {
    return switch (site) {
      case HUGGING_FACE -> variable("HF_ENDPOINT").map(text -> address("HF_ENDPOINT", text));
      case MODELSCOPE ->
          variable("MODELSCOPE_DOMAIN")
              .map(
                  host ->
                      address(
                          "MODELSCOPE_DOMAIN", host.contains("://") ? host : "https://" + host));
    };
  }

  /**
   * @param source for the message; the text itself may hold a password
   */
  static URI address(String source, String text) {
    try {
      return new URI(text);
    } catch (URISyntaxException _) {
      throw UsageException.ofFlag(source, "an address such as https://hub.example", "none");
    }
  }

  /** One hub's token is nothing that the other should see. */
  Optional<HubToken> token(HubSite site) {
    String name = site.tokenVariable();
    Optional<HubToken> set = variable(name).map(secret -> HubToken.of(secret, name));
    return set.isPresent() || site != HubSite.HUGGING_FACE ? set : tokenOfFile();
  }

  private Optional<HubToken> tokenOfFile() {
    Path file = variable("HF_TOKEN_PATH").map(Path::of).orElseGet(() -> home().resolve("token"));
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    try {
      return Optional.of(Files.readString(file).strip())
          .filter(secret -> !secret.isEmpty())
          .map(secret -> HubToken.of(secret, file.toString()));
    } catch (IOException e) {
      throw UsageException.ofFlag(
          file.toString(),
          "a token that can be read",
          Texts.reason(e) + "; name another file in HF_TOKEN_PATH");
    }
  }

  /** What other programs would go through to {@code endpoint}. */
  Optional<InetSocketAddress> proxy(URI endpoint) {
    boolean secure = "https".equalsIgnoreCase(endpoint.getScheme());
    String name =
        secure && variables.containsKey("HTTPS_PROXY")
            ? "HTTPS_PROXY"
            : secure ? "https_proxy" : "http_proxy";
    return variable(name)
        .filter(_ -> !direct(endpoint.getHost()))
        .map(
            text -> {
              URI proxy = address(name, text.contains("://") ? text : "http://" + text);
              if (!"http".equalsIgnoreCase(proxy.getScheme())
                  || proxy.getHost() == null
                  || proxy.getUserInfo() != null) {
                throw UsageException.ofFlag(
                    name,
                    "a proxy such as http://proxy.example:3128, without a password",
                    "another form");
              }
              return InetSocketAddress.createUnresolved(
                  proxy.getHost(), proxy.getPort() < 0 ? 80 : proxy.getPort());
            });
  }

  private boolean direct(String host) {
    return host.equals("localhost")
        || host.startsWith("127.")
        || variable("NO_PROXY").or(() -> variable("no_proxy")).stream()
            .flatMap(list -> Arrays.stream(list.split("[,\\s]+")))
            .map(entry -> entry.replaceFirst("^\\.", ""))
            .anyMatch(
                entry ->
                    entry.equals("*")
                        || !entry.isEmpty() && (host.equals(entry) || host.endsWith("." + entry)));
  }
}
