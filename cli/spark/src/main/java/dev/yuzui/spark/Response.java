package dev.yuzui.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ParsedRequest.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The struct that a row's answer is, or its error. */
final class Response {
  static final StructType TYPE =
      new StructType()
          .add("text", DataTypes.StringType)
          .add("reasoning", DataTypes.StringType)
          .add("finish_reason", DataTypes.StringType)
          .add(
              "usage",
              new StructType()
                  .add("prompt_tokens", DataTypes.LongType)
                  .add("cached_tokens", DataTypes.LongType)
                  .add("completion_tokens", DataTypes.LongType))
          .add(
              "tool_calls",
              DataTypes.createArrayType(
                  new StructType()
                      .add("id", DataTypes.StringType)
                      .add("name", DataTypes.StringType)
                      .add("arguments", DataTypes.StringType)))
          .add(
              "error",
              new StructType()
                  .add("code", DataTypes.StringType)
                  .add("message", DataTypes.StringType));

  private Response() {}

  static Row of(AnswerFields fields, ParsedRequest task, GenerationResult result) {
    if (task.kind() == Kind.PLAIN) {
      ObjectNode said = JsonNodeFactory.instance.objectNode();
      String finish = fields.plain(said, task, result);
      return of(said, "text", finish, task, result);
    }
    JsonNode choice = fields.choices(task, List.of(result)).get(0);
    String finish = text(choice, "finish_reason");
    return task.kind() == Kind.CHAT
        ? of(choice.path("message"), "content", finish, task, result)
        : of(choice, "text", finish, task, result);
  }

  /**
   * @param field that the text is in
   */
  private static Row of(
      JsonNode said, String field, String finish, ParsedRequest task, GenerationResult result) {
    List<Row> calls = new ArrayList<>();
    for (JsonNode call : said.path("tool_calls")) {
      JsonNode function = call.path("function");
      calls.add(
          RowFactory.create(text(call, "id"), text(function, "name"), text(function, "arguments")));
    }
    return RowFactory.create(
        text(said, field),
        text(said, "reasoning_content"),
        finish,
        RowFactory.create(
            task.promptTokens(),
            (long) result.timings().cachedTokens(),
            (long) result.tokens().size()),
        calls.isEmpty() ? null : calls.toArray(Row[]::new),
        null);
  }

  static Row error(String code, String message) {
    return RowFactory.create(null, null, null, null, null, RowFactory.create(code, message));
  }

  /** Null where there is none, as rows have it. */
  private static String text(JsonNode of, String field) {
    return Optional.ofNullable(of.get(field)).map(JsonNode::textValue).orElse(null);
  }
}
