package dev.yuzui.cli.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.HttpURLConnection;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;

/**
 * Asks a server for completions as a stream. Thread-safe; a caller's thread reads its socket
 * itself, so that nothing but the socket is between an answer and its time.
 */
final class UrlClient {
  private static final String MODELS = "/v1/models";
  private static final String COMPLETIONS = "/v1/completions";
  private static final String DATA = "data:";

  private static final String NAME_A_MODEL =
      "; is this the address of OpenAI's interface? If so name the model with --url-model";

  private final URI url;
  private final String model;
  private final Optional<String> key;
  private final Patience patience;

  private UrlClient(URI url, String model, Optional<String> key, Patience patience) {
    this.url = url;
    this.model = model;
    this.key = key;
    this.patience = patience;
  }

  /**
   * How long a server may say nothing.
   *
   * @param connect until it takes a connection
   * @param list until its list of models, and between the parts of that
   * @param stream until the first piece of a text, and between pieces
   */
  record Patience(Duration connect, Duration list, Duration stream) {
    /** A long prompt on a slow machine, behind others, takes minutes. */
    static final Patience USUAL =
        new Patience(Duration.ofSeconds(5), Duration.ofSeconds(10), Duration.ofMinutes(10));
  }

  /**
   * @throws FailedException if it does not answer, or has no model
   */
  static UrlClient open(URI url, Optional<String> model, Optional<String> key, Patience patience) {
    UrlClient nameless = new UrlClient(url, "", key, patience);
    return new UrlClient(url, model.orElseGet(nameless::firstModel), key, patience);
  }

  URI url() {
    return url;
  }

  String model() {
    return model;
  }

  private String address(String path) {
    return url.toString().replaceAll("/(v1/?)?$", "") + path;
  }

  /** Redirections are not followed: the key is for this server alone. */
  private HttpURLConnection connect(String path, Duration silence) throws IOException {
    HttpURLConnection connection =
        (HttpURLConnection) URI.create(address(path)).toURL().openConnection();
    connection.setInstanceFollowRedirects(false);
    connection.setConnectTimeout(Math.toIntExact(patience.connect().toMillis()));
    connection.setReadTimeout(Math.toIntExact(silence.toMillis()));
    key.ifPresent(k -> connection.setRequestProperty("Authorization", "Bearer " + k));
    return connection;
  }

  private String firstModel() {
    String body;
    try {
      HttpURLConnection reply = connect(MODELS, patience.list());
      requireGood(MODELS, reply);
      try (InputStream in = reply.getInputStream()) {
        body = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      }
    } catch (IOException e) {
      throw broken(MODELS, patience.list(), e);
    }
    JsonNode id;
    try {
      id = Json.mapper().readTree(body).at("/data/0/id");
    } catch (JsonProcessingException _) {
      throw problem("a list of models at " + address(MODELS), shown(body) + NAME_A_MODEL);
    }
    if (!id.isTextual() || id.asText().isBlank()) {
      throw problem("a model in the list at " + address(MODELS), shown(body) + NAME_A_MODEL);
    }
    return id.asText();
  }

  private static FailedException problem(String expected, String found) {
    return new FailedException("--url: expected " + expected + ", found " + found);
  }

  private static String shown(String body) {
    String line = body.strip().replaceAll("\\s+", " ");
    return line.isEmpty() ? "nothing" : Texts.shorten(line);
  }

  private void requireGood(String path, HttpURLConnection reply) throws IOException {
    int status = reply.getResponseCode();
    if (status == HttpURLConnection.HTTP_OK) {
      return;
    }
    String body = "";
    try (InputStream in = reply.getErrorStream()) {
      if (in != null) {
        body = new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
      }
    }
    String said = body.isEmpty() ? "" : ": " + body;
    String fix =
        switch (status) {
          case HttpURLConnection.HTTP_UNAUTHORIZED, HttpURLConnection.HTTP_FORBIDDEN ->
              key.isPresent()
                  ? "; give another key with --api-key-file"
                  : "; give its key with --api-key-file";
          case HttpURLConnection.HTTP_NOT_FOUND ->
              path.equals(MODELS)
                  ? "; name the model with --url-model, if this is the address of OpenAI's"
                      + " interface"
                  : "; --url is what stands before /v1, --url-model a model that it has ("
                      + model
                      + " was asked for)";
          case HttpURLConnection.HTTP_MOVED_PERM,
              HttpURLConnection.HTTP_MOVED_TEMP,
              HttpURLConnection.HTTP_SEE_OTHER,
              307,
              308 ->
              " to "
                  + Optional.ofNullable(reply.getHeaderField("Location")).orElse("nowhere")
                  + "; give that address with --url";
          default -> "";
        };
    throw problem("an answer of " + address(path), "status " + status + said + fix);
  }

  /** What became of a connection, in words. */
  private FailedException broken(String path, Duration silence, IOException e) {
    String at = address(path);
    return switch (e) {
      case UnknownHostException _ ->
          problem("a server at " + url, "no host of that name; correct the address");
      case ConnectException _ ->
          problem(
              "a server at " + url,
              "nobody who listens there ("
                  + e.getMessage()
                  + "); start it, or correct the address");
      case SocketTimeoutException _
          when String.valueOf(e.getMessage()).startsWith("Connect timed out") ->
          problem(
              "a server at " + url,
              "none that takes a connection within "
                  + seconds(patience.connect())
                  + "; start it, or correct the address");
      case SocketTimeoutException _ ->
          problem(
              "something of " + at + " within " + seconds(silence),
              "silence; the server may hang, or have more to do than it can");
      default -> problem("a whole answer of " + at, e.getMessage());
    };
  }

  private static String seconds(Duration time) {
    return time.toMillis() % 1000 == 0 ? time.toSeconds() + " s" : time.toMillis() + " ms";
  }

  /**
   * What a stream was.
   *
   * @param told when each piece of text came, in nanoseconds
   * @param tokens that the server counts, or the pieces
   */
  record Stream(long[] told, int tokens) {}

  /**
   * Streams one completion.
   *
   * @throws FailedException if it is not answered to its end
   */
  Stream complete(int[] prompt, int tokens) {
    ObjectNode body = JsonNodeFactory.instance.objectNode().put("model", model);
    var ids = body.putArray("prompt");
    Arrays.stream(prompt).forEach(ids::add);
    body.put("max_tokens", tokens)
        .put("temperature", 0)
        .put("ignore_eos", true)
        .put("stream", true)
        .putObject("stream_options")
        .put("include_usage", true);
    try {
      HttpURLConnection connection = connect(COMPLETIONS, patience.stream());
      connection.setDoOutput(true);
      connection.setRequestProperty("Content-Type", "application/json");
      byte[] bytes = Json.compact(body).getBytes(StandardCharsets.UTF_8);
      try (OutputStream out = connection.getOutputStream()) {
        out.write(bytes);
      }
      requireGood(COMPLETIONS, connection);
      try (BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
        return read(lines, tokens);
      }
    } catch (IOException e) {
      throw broken(COMPLETIONS, patience.stream(), e);
    }
  }

  private static Stream read(BufferedReader lines, int tokens) throws IOException {
    long[] told = new long[tokens + 8];
    int count = 0;
    int counted = 0;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      if (!line.startsWith(DATA)) {
        continue;
      }
      long now = System.nanoTime();
      String data = line.substring(DATA.length()).strip();
      if (data.equals("[DONE]")) {
        break;
      }
      JsonNode chunk = parsed(data);
      if (chunk.has("error")) {
        throw problem("an answer", "the server's error: " + chunk.get("error"));
      }
      counted = Math.max(counted, chunk.at("/usage/completion_tokens").asInt());
      JsonNode choice = chunk.at("/choices/0");
      boolean piece =
          choice.hasNonNull("text")
              && (!choice.path("text").asText().isEmpty() || choice.has("token_ids"));
      if (piece && count < told.length) {
        told[count++] = now;
      }
    }
    if (count == 0) {
      throw problem("text", "a stream without any");
    }
    return new Stream(Arrays.copyOf(told, count), counted == 0 ? count : counted);
  }

  private static JsonNode parsed(String data) {
    try {
      return Json.mapper().readTree(data);
    } catch (JsonProcessingException _) {
      throw problem("JSON in a stream", shown(data));
    }
  }
}
