package dev.yuzui.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** What is different between hubs: how a repository is listed and where its files are. */
sealed interface HubApi permits HuggingFaceApi, ModelScopeApi {
  /** More than the listing of any repository, some 300 bytes a file. */
  int MOST_BYTES = 64 << 20;

  static HubApi of(HubOptions options, HubHttp http) {
    return switch (options.site()) {
      case HUGGING_FACE -> new HuggingFaceApi(options, http);
      case MODELSCOPE -> new ModelScopeApi(options, http);
    };
  }

  /**
   * @throws HubException if there is no such repository or revision, or it may not be read
   */
  HubSnapshot list(HubName name, Patience.Attempts attempts);

  /** Where a file's bytes are. */
  URI address(HubName name, HubSnapshot snapshot, HubFile file);

  /** The repository's page, for people. */
  URI page(HubName name);

  static URI under(URI endpoint, String path) {
    return URI.create(endpoint.toString().replaceFirst("/+$", "") + path);
  }

  /** A path in an address; its slashes stay. */
  static String encoded(String path) {
    return Arrays.stream(path.split("/", -1))
        .map(part -> URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"))
        .collect(Collectors.joining("/"));
  }

  /** The JSON of an answer with status 200. */
  static JsonNode json(HubHttp.Reply reply) throws IOException {
    byte[] bytes = reply.body().readNBytes(MOST_BYTES);
    if (reply.length() >= 0 && bytes.length != reply.length()) {
      throw new IOException("the connection was cut");
    }
    try {
      JsonNode json = Json.mapper().readTree(bytes);
      if (json != null && (json.isObject() || json.isArray())) {
        return json;
      }
    } catch (com.fasterxml.jackson.core.JacksonException _) {
      // told below
    }
    throw HubException.system(
        HubHttp.host(reply.address())
            + ": expected a listing in JSON, found something else; is it a hub's endpoint?");
  }

  /** Asks until an answer is read whole. */
  static <T> T read(HubHttp http, URI address, Patience.Attempts attempts, Reader<T> reader) {
    while (true) {
      try (HubHttp.Reply reply = http.get(address, Optional.empty(), attempts)) {
        return reader.read(reply);
      } catch (IOException e) {
        attempts.failed(HubHttp.host(address) + ": " + HubHttp.reason(e), Optional.empty());
      }
    }
  }

  /** What is made of an answer. */
  interface Reader<T> {
    T read(HubHttp.Reply reply) throws IOException;
  }

  /**
   * Why the hub does not answer with what it was asked for.
   *
   * @param said by the hub, for people; may be empty
   */
  default HubException refusal(HubOptions options, HubName name, HubHttp.Reply reply, String said) {
    String where = name.repository() + " at " + HubHttp.host(options.endpoint());
    String code = reply.header("X-Error-Code").orElse("");
    boolean token = options.token().isPresent() && !HubHttp.withholdsToken(options);
    String variable = options.site().tokenVariable();
    int status = reply.status();
    if (code.equals("GatedRepo")) {
      return HubException.asked(
          where
              + ": it is gated; accept its licence at "
              + page(name)
              + (token
                  ? " with the account of your token"
                  : ", then set " + variable + " to a token of your account"));
    }
    if (code.equals("RevisionNotFound")) {
      return HubException.expected(
          "HubOptions.revision",
          "a branch, tag or commit of " + where,
          "'" + options.revisionOrBranch() + "', which is none");
    }
    if (code.equals("RepoNotFound") || status == 404 || status == 401 && !token) {
      return HubException.asked(
          where
              + ": no such repository, or a private one; check the name at "
              + page(name)
              + (token
                  ? ", and whether your token may read it"
                  : ", for a private one set " + variable)
              + (options.revision().isPresent()
                  ? "; or it has no revision '" + options.revision().get() + "'"
                  : ""));
    }
    if (status == 401 || status == 403) {
      return HubException.asked(
          where
              + ": it may not be read"
              + (token ? " with this token" : " without a token")
              + " (status "
              + status
              + said(said)
              + "); see "
              + page(name)
              + (token ? " and make a token that may read it" : " and set " + variable));
    }
    return HubException.system(
        where + ": expected status 200, found " + status + said(said) + "; try again later");
  }

  private static String said(String message) {
    return message.isEmpty() ? "" : ": " + HubException.printable(message);
  }
}
