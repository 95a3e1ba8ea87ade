package dev.yuzui.server;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.io.Json;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.server.answer.ServiceOptions;
import dev.yuzui.server.http.HttpOptions;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * A server on the embedded model, with a template that puts a chat's texts one behind the other.
 */
final class RunningServer implements AutoCloseable {
  private static final Path MODEL = Path.of(System.getProperty("yuzui.root"), "seeds/demo.gguf");

  /** Nothing but texts; thinking is opened where it is asked for. */
  static final String TEMPLATE =
      "{% for m in messages %}{{ m.content }}{% if not loop.last %}\n{% endif %}{% endfor %}"
          + "{% if thinking %}<think>{% endif %}";

  static final int SEQUENCES = 4;

  private final Engine engine;
  private final Server server;
  private final HttpClient client = HttpClient.newHttpClient();

  private RunningServer(Engine engine, Server server) {
    this.engine = engine;
    this.server = server;
  }

  /** How it differs from the usual. */
  record Setup(HttpOptions http, int maxQueue, Optional<Duration> timeout, Duration ping) {
    static final Setup USUAL =
        new Setup(
            new HttpOptions(
                "127.0.0.1",
                0,
                List.of(),
                List.of(),
                1 << 20,
                Duration.ofSeconds(5),
                Duration.ofSeconds(60),
                Duration.ofSeconds(5),
                Optional.empty()),
            64,
            Optional.empty(),
            Duration.ofSeconds(5));

    Setup with(UnaryOperator<HttpOptions> change) {
      return new Setup(change.apply(http), maxQueue, timeout, ping);
    }

    Setup withQueue(int most) {
      return new Setup(http, most, timeout, ping);
    }

    Setup withTimeout(Duration limit) {
      return new Setup(http, maxQueue, Optional.of(limit), ping);
    }

    Setup withPing(Duration every) {
      return new Setup(http, maxQueue, timeout, every);
    }
  }

  static RunningServer open() {
    return open(Setup.USUAL);
  }

  static Server listening(Setup setup) {
    return Server.open(
        new ServerOptions(
            setup.http(),
            new ServiceOptions(
                setup.maxQueue(), setup.timeout(), setup.ping(), "0.0.0", UnaryOperator.identity()),
            true),
        line -> System.err.println("server: " + line));
  }

  static RunningServer open(Setup setup) {
    return open(setup, RuntimeOptions.of(MODEL).withBackend("cpu"));
  }

  /** On a device that is named. */
  static RunningServer open(Setup setup, String device) {
    return open(setup, RuntimeOptions.of(MODEL).withDevices(List.of(device)));
  }

  private static RunningServer open(Setup setup, RuntimeOptions options) {
    Engine engine = Engine.open(options.withMaxSequences(SEQUENCES), LoadProgress.none());
    Server server = listening(setup);
    ServedModel model =
        ServedModel.of(
                engine, Optional.of(ChatTemplate.jinja("test", TEMPLATE, engine.tokenizer())))
            .with(RenderOptions.ANSWER, false, Optional.empty(), ReasoningFilter.Mode.STDERR)
            .with(SamplingParams.DEFAULT.withSeed(1), -1, List.of(), false)
            .withName("demo");
    server.serve(engine, model);
    return new RunningServer(engine, server);
  }

  Engine engine() {
    return engine;
  }

  Server server() {
    return server;
  }

  int port() {
    return server.port();
  }

  URI uri(String path) {
    return URI.create("http://127.0.0.1:" + port() + path);
  }

  /** An answer. */
  record Reply(int status, String body, java.net.http.HttpHeaders headers) {
    JsonNode json() {
      try {
        return Json.mapper().readTree(body);
      } catch (IOException e) {
        throw new UncheckedIOException(body, e);
      }
    }

    /** The data of its server-sent events, without the last's {@code [DONE]}. */
    List<JsonNode> events() {
      List<JsonNode> events = new ArrayList<>();
      for (String line : body.split("\n")) {
        if (line.startsWith("data: ") && !line.equals("data: [DONE]")) {
          events.add(new Reply(200, line.substring(6), headers).json());
        }
      }
      return events;
    }

    /** Of its events. */
    List<String> types() {
      return events().stream().map(e -> e.path("type").asText()).toList();
    }

    /** What events of a type have at {@code pointer}, together. */
    String joined(String type, String pointer) {
      StringBuilder text = new StringBuilder();
      for (JsonNode event : events()) {
        if (event.path("type").asText().equals(type)) {
          text.append(event.at(pointer).asText());
        }
      }
      return text.toString();
    }

    String header(String name) {
      return headers.firstValue(name).orElse("");
    }
  }

  Reply get(String path) {
    return send(HttpRequest.newBuilder(uri(path)).build());
  }

  Reply post(String path, String body) {
    return send(request(path, body).build());
  }

  /** The same request, told as it is made. */
  Reply streamed(String path, String body) {
    return post(path, "{\"stream\":true," + body.substring(1));
  }

  /** A body so long that asks {@code /detokenize} for some four times that, in no time. */
  String muchText(int length) {
    String words = "Once upon a time there was a beautiful little princess";
    JsonNode longest = Json.mapper().getNodeFactory().nullNode();
    for (JsonNode token :
        post("/tokenize", "{\"with_pieces\":true,\"content\":\"" + words + "\"}")
            .json()
            .path("tokens")) {
      boolean longer =
          token.path("piece").asText().length() > longest.path("piece").asText().length();
      longest = longer ? token : longest;
    }
    String id = longest.path("id").asText();
    return "{\"tokens\":[" + (id + ",").repeat(length / (id.length() + 1) - 10) + id + "]}";
  }

  HttpRequest.Builder request(String path, String body) {
    return HttpRequest.newBuilder(uri(path))
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body));
  }

  Reply send(HttpRequest request) {
    try {
      HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
      return new Reply(response.statusCode(), response.body(), response.headers());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Nothing runs, and nothing of the cache is held, within so long. */
  boolean quietWithin(Duration limit) throws InterruptedException {
    long until = System.nanoTime() + limit.toNanos();
    while (System.nanoTime() < until) {
      var m = engine.metrics();
      if (m.requestsRunning() == 0 && m.requestsWaiting() == 0) {
        return true;
      }
      Thread.sleep(2);
    }
    return false;
  }

  @Override
  public void close() {
    client.close();
    server.close();
    engine.close();
  }
}
