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
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;

/** Asks a server for completions as a stream. Thread-safe. */
final class UrlClient implements AutoCloseable {
  private static final String DATA = "data:";

  private final URI url;
  private final String model;
  private final Optional<String> key;
  private final HttpClient http;

  private UrlClient(URI url, String model, Optional<String> key, HttpClient http) {
    this.url = url;
    this.model = model;
    this.key = key;
    this.http = http;
  }

  /**
   * @throws FailedException if it does not answer
   */
  static UrlClient open(URI url, Optional<String> model, Optional<String> key) {
    HttpClient http =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5))
            .build();
    UrlClient nameless = new UrlClient(url, "", key, http);
    return model.isPresent()
        ? new UrlClient(url, model.get(), key, http)
        : new UrlClient(url, nameless.firstModel(), key, http);
  }

  URI url() {
    return url;
  }

  String model() {
    return model;
  }

  private HttpRequest.Builder request(String path) {
    String base = url.toString().replaceAll("/(v1/?)?$", "");
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + path));
    key.ifPresent(k -> request.header("Authorization", "Bearer " + k));
    return request;
  }

  private String firstModel() {
    try {
      HttpResponse<String> reply =
          http.send(request("/v1/models").build(), HttpResponse.BodyHandlers.ofString());
      requireGood(reply.statusCode(), reply.body());
      return Json.mapper().readTree(reply.body()).at("/data/0/id").asText();
    } catch (IOException e) {
      throw new FailedException("--url: expected a server at " + url + ", found " + e);
    } catch (InterruptedException e) {
      throw new FailedException("--url: interrupted");
    }
  }

  private void requireGood(int status, String body) {
    if (status != 200) {
      throw new FailedException(
          "--url: expected an answer of " + url + ", found " + status + ": " + body.strip());
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
    HttpRequest asked =
        request("/v1/completions")
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(Json.compact(body)))
            .build();
    try {
      HttpResponse<InputStream> reply = http.send(asked, HttpResponse.BodyHandlers.ofInputStream());
      try (BufferedReader lines =
          new BufferedReader(new InputStreamReader(reply.body(), StandardCharsets.UTF_8))) {
        if (reply.statusCode() != 200) {
          requireGood(reply.statusCode(), String.join("\n", lines.lines().toList()));
        }
        return read(lines, tokens);
      }
    } catch (IOException e) {
      throw new FailedException("--url: the server broke off: " + e);
    } catch (InterruptedException e) {
      throw new FailedException("--url: interrupted");
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

  @Override
  public void close() {
    http.close();
  }
}
