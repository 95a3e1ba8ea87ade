package dev.yuzui.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.BatchEnvelope;
import dev.yuzui.openai.BatchParser;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestParser;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.RequestProblem.Code;
import dev.yuzui.openai.ServedModel;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Row;
import scala.collection.Iterable;
import scala.jdk.javaapi.CollectionConverters;

/** Makes requests of rows. */
final class Requests {
  private static final int NAME_BYTES = 16;
  private static final int SHOWN = 40;

  private final YuzuiBatchConfig config;
  private final ServedModel model;
  private final BatchParser parser;

  Requests(YuzuiBatchConfig config, ServedModel model) {
    this.config = config;
    this.model = model;
    this.parser = new BatchParser(new RequestParser(model));
  }

  /** What a row asks for, as text: neighbours in its order begin alike. */
  static String key(YuzuiBatchConfig config, Row row) {
    Object value = row.getAs(config.column());
    return value == null ? "" : value.toString();
  }

  /** What tells a request from all others, of other models too, and may be a file's name. */
  static String name(YuzuiBatchConfig config, Row row) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (String part : List.of(config.model(), id(config, row), key(config, row))) {
        byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        digest.update(bytes);
      }
      return HexFormat.of().formatHex(digest.digest(), 0, NAME_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  private static String id(YuzuiBatchConfig config, Row row) {
    return config.id().isEmpty() ? "" : String.valueOf(row.<Object>getAs(config.id()));
  }

  /** A request as people find it: {@code n 42}, or how it begins. */
  static String said(YuzuiBatchConfig config, Row row) {
    if (!config.id().isEmpty() && row.<Object>getAs(config.id()) != null) {
      return config.id() + " " + id(config, row);
    }
    String text = key(config, row);
    int shown = Math.min(text.length(), SHOWN);
    return config.column()
        + " \""
        + text.substring(0, shown)
        + (shown < text.length() ? "…\"" : "\"");
  }

  /**
   * @throws RequestProblem if it cannot be met
   */
  ParsedRequest parse(Row row) {
    Object value = row.getAs(config.column());
    if (value == null) {
      throw RequestProblem.field(config.column(), "a request", "null");
    }
    BatchEnvelope request =
        BatchEnvelope.of(
            new RequestFields(
                switch (config.source()) {
                  case PROMPT -> object().put("prompt", text(value));
                  case MESSAGES -> object().set("messages", messages(value));
                  case BODY -> json(text(value));
                }));
    body(request).ifPresent(body -> complete(body, row));
    ParsedRequest parsed = parser.parse(request);
    if (parsed.choices() != 1) {
      throw RequestProblem.request(
          "prompt, n: expected one prompt and one answer, found "
              + parsed.choices()
              + "; make a row for each");
    }
    return parsed;
  }

  /** Of the request itself; nothing where an envelope has none, which its reader says. */
  private static Optional<ObjectNode> body(BatchEnvelope request) {
    JsonNode line = request.line().object();
    return Optional.of(request.openAi() ? line.path("body") : line)
        .filter(ObjectNode.class::isInstance)
        .map(ObjectNode.class::cast);
  }

  private void complete(ObjectNode body, Row row) {
    RequestFields fields = new RequestFields(body);
    fields.refuse("logprobs", "none, for a row has no place for them", Set.of("false"));
    if (fields.has("messages") && model.template().isEmpty()) {
      throw RequestProblem.request(
          "messages: this model has no chat template to put them in; ask it with a prompt");
    }
    if (!fields.has("seed") && !config.id().isEmpty()) {
      Optional.ofNullable(row.<Object>getAs(config.id()))
          .ifPresent(id -> body.put("seed", YuzuiBatch.seed(id.toString())));
    }
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw RequestProblem.field(
        config.column(), "a string", value.getClass().getSimpleName() + ", another type");
  }

  private static ObjectNode json(String text) {
    return (ObjectNode) RequestFields.parse(text.getBytes(StandardCharsets.UTF_8)).object();
  }

  private JsonNode messages(Object value) {
    if (value instanceof String text) {
      ObjectNode whole = json("{\"messages\":" + text + "}");
      if (whole.size() != 1) {
        throw RequestProblem.field(config.column(), "a JSON array", text);
      }
      return whole.get("messages");
    }
    if (!(value instanceof Iterable<?> rows)) {
      throw RequestProblem.field(
          config.column(),
          "an array of structs (role, content), or JSON",
          value.getClass().getSimpleName() + ", another type");
    }
    ArrayNode messages = JsonNodeFactory.instance.arrayNode();
    for (Object each : CollectionConverters.asJava(rows)) {
      if (!(each instanceof Row message)) {
        throw RequestProblem.field(
            config.column(), "an array of structs (role, content)", String.valueOf(each));
      }
      ObjectNode node = messages.addObject();
      for (String field : message.schema().fieldNames()) {
        Optional.ofNullable(message.<Object>getAs(field))
            .ifPresent(said -> node.put(field, text(said)));
      }
    }
    return messages;
  }

  /** The code of a request that is at fault itself. */
  static String code(Code code) {
    return code.name().toLowerCase(Locale.ROOT);
  }
}
