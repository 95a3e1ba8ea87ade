package dev.yuzui.cli.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.io.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * Asks a server for completions as a stream. Thread-safe; a caller's thread reads its socket
 * itself, so that nothing but the socket is between an answer and its time.
 */
final class UrlClient {
  private static final String DATA = "data:";
  private static final int CONNECT_MILLIS = 5000;

  private final URI url;
  private final String model;
  private final Optional<String> key;

  private UrlClient(URI url, String model, Optional<String> key) {
    this.url = url;
    this.model = model;
    this.key = key;
  }

  /**
   * @throws FailedException if it does not answer
   */
  static UrlClient open(URI url, Optional<String> model, Optional<String> key) {
    UrlClient nameless = new UrlClient(url, "", key);
    return new UrlClient(url, model.orElseGet(nameless::firstModel), key);
  }

  URI url() {
    return url;
  }

  String model() {
    return model;
  }

  private HttpURLConnection connect(String path) throws IOException {
    String base = url.toString().replaceAll("/(v1/?)?$", "");
    HttpURLConnection connection =
        (HttpURLConnection) URI.create(base + path).toURL().openConnection();
    connection.setConnectTimeout(CONNECT_MILLIS);
    key.ifPresent(k -> connection.setRequestProperty("Authorization", "Bearer " + k));
    return connection;
  }

  private String firstModel() {
    try {
      HttpURLConnection reply = connect("/v1/models");
      requireGood(reply);
      try (InputStream in = reply.getInputStream()) {
        return Json.mapper().readTree(in).at("/data/0/id").asText();
      }
    } catch (IOException e) {
      throw new FailedException("--url: expected a server at " + url + ", found " + e);
    }
  }

  private void requireGood(HttpURLConnection reply) throws IOException {
    if (reply.getResponseCode() == HttpURLConnection.HTTP_OK) {
      return;
    }
    try (InputStream in = reply.getErrorStream()) {
      String body = in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
      throw new FailedException(
          "--url: expected an answer of "
              + url
              + ", found "
              + reply.getResponseCode()
              + ": "
              + body.strip());
    }
  }

  /**
   * What a stream was.
   *
   * @param told when each piece of text came, in nanoseconds
   * @param tokens that the server counts, or the pieces
   */
  record Stream(long[] told, int tokens) {}

  /** Streams one completion. */
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
      HttpURLConnection connection = connect("/v1/completions");
      connection.setDoOutput(true);
      connection.setRequestProperty("Content-Type", "application/json");
      byte[] bytes = Json.compact(body).getBytes(StandardCharsets.UTF_8);
      try (OutputStream out = connection.getOutputStream()) {
        out.write(bytes);
      }
      requireGood(connection);
      try (BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
        return read(lines, tokens);
      }
    } catch (IOException e) {
      throw new FailedException("--url: the server broke off: " + e);
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
        throw new FailedException("--url: the server's error: " + chunk.get("error"));
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
      throw new FailedException("--url: expected text, found a stream without any");
    }
    return new Stream(Arrays.copyOf(told, count), counted == 0 ? count : counted);
  }

  private static JsonNode parsed(String data) {
    try {
      return Json.mapper().readTree(data);
    } catch (JsonProcessingException e) {
      throw new FailedException("--url: expected JSON in a stream, found " + data);
    }
  }
}
