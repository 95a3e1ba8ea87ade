package dev.yuzui.hub;

import dev.yuzui.spi.RecordCopy;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where models come from and where they are kept.
 *
 * @param site whose paths are spoken
 * @param endpoint the site's, or a mirror's: http or https, a path perhaps, no query
 * @param token goes to the endpoint's own host alone, never over plain http unless to this machine
 * @param cache the hub's: folders {@code models--ORG--NAME}
 * @param revision a branch, tag or commit; empty for the site's usual branch
 * @param offline use what the cache has and ask nobody
 * @param connections at the same time, over all files
 * @param proxy through which all goes; empty for the JVM's own choice
 */
public record HubOptions(
    HubSite site,
    URI endpoint,
    Optional<HubToken> token,
    Path cache,
    Optional<String> revision,
    boolean offline,
    int connections,
    Optional<InetSocketAddress> proxy) {
  public static final int DEFAULT_CONNECTIONS = 8;
  private static final int MOST_CONNECTIONS = 64;

  /** A folder may be in it, as in {@code refs/pr/3}, but no way out. */
  private static final Pattern REVISION = Pattern.compile("[\\w][\\w.+-]*(?:/[\\w][\\w.+-]*)*");

  /**
   * @throws HubException for a value that means nothing
   */
  public HubOptions {
    boolean web =
        ("https".equalsIgnoreCase(endpoint.getScheme())
                || "http".equalsIgnoreCase(endpoint.getScheme()))
            && endpoint.getHost() != null
            && endpoint.getRawUserInfo() == null
            && endpoint.getRawQuery() == null
            && endpoint.getRawFragment() == null;
    if (!web) {
      // not the text itself: people put passwords there
      throw HubException.expected(
          "HubOptions.endpoint", "an address such as https://hub.example", "another form of text");
    }
    revision.ifPresent(HubOptions::requireRevision);
    if (connections < 1 || connections > MOST_CONNECTIONS) {
      throw HubException.expected(
          "HubOptions.connections", "1 to " + MOST_CONNECTIONS, "" + connections);
    }
  }

  private static void requireRevision(String revision) {
    if (!REVISION.matcher(revision).matches()
        || revision.contains("..")
        || revision.length() > 200) {
      throw HubException.expected(
          "HubOptions.revision",
          "a branch, tag or commit",
          "'" + HubException.printable(revision) + "'");
    }
  }

  public static HubOptions of(HubSite site, Path cache) {
    return new HubOptions(
        site,
        site.endpoint(),
        Optional.empty(),
        cache,
        Optional.empty(),
        false,
        DEFAULT_CONNECTIONS,
        Optional.empty());
  }

  /** {@link #revision}, or the site's usual branch. */
  String revisionOrBranch() {
    return revision.orElse(site.branch());
  }

  public HubOptions withEndpoint(URI address) {
    return RecordCopy.with(this, "endpoint", address);
  }

  public HubOptions withToken(HubToken secret) {
    return RecordCopy.with(this, "token", Optional.of(secret));
  }

  public HubOptions withRevision(String name) {
    return RecordCopy.with(this, "revision", Optional.of(name));
  }

  public HubOptions withOffline(boolean only) {
    return RecordCopy.with(this, "offline", only);
  }

  public HubOptions withConnections(int count) {
    return RecordCopy.with(this, "connections", count);
  }

  public HubOptions withProxy(InetSocketAddress address) {
    return RecordCopy.with(this, "proxy", Optional.of(address));
  }
}
