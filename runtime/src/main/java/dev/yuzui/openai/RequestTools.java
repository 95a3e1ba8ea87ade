package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import dev.yuzui.text.TextException;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The tools that a request offers, and whether they are to be called.
 *
 * @param declared that the model is told of; none where the choice is none
 * @param tools of these, those that may be called
 * @param several whether an answer may have more than one call
 */
record RequestTools(List<Tool> declared, List<Tool> tools, ToolChoice choice, boolean several) {
  static RequestTools of(RequestFields body) {
    body.refuse("functions", "none; tools have taken their place", Set.of("[]"));
    body.refuse(
        "function_call", "none; tool_choice has taken its place", Set.of("\"none\"", "\"auto\""));
    List<Tool> tools = tools(body);
    ToolChoice choice = choice(body, tools);
    boolean several = body.flag("parallel_tool_calls").orElse(true);
    return switch (choice) {
      case ToolChoice.None _ -> new RequestTools(List.of(), List.of(), choice, several);
      case ToolChoice.Named(String name) ->
          new RequestTools(
              tools, tools.stream().filter(t -> t.name().equals(name)).toList(), choice, false);
      case ToolChoice.Auto _, ToolChoice.Required _ ->
          new RequestTools(tools, tools, choice, several);
    };
  }

  private static List<Tool> tools(RequestFields body) {
    Optional<JsonNode> given = body.get("tools");
    if (given.isEmpty()) {
      return List.of();
    }
    if (!given.get().isArray()) {
      throw RequestProblem.field("tools", "an array", given.get().toString());
    }
    List<Object> declarations = new ArrayList<>();
    for (JsonNode each : given.get()) {
      declarations.add(each.isObject() ? Json.fields(each) : each.toString());
    }
    try {
      return Tool.all(declarations);
    } catch (TextException e) {
      throw RequestProblem.request(e.getMessage());
    }
  }

  private static ToolChoice choice(RequestFields body, List<Tool> tools) {
    Optional<JsonNode> given = body.get("tool_choice");
    if (given.isEmpty()) {
      return tools.isEmpty() ? new ToolChoice.None() : new ToolChoice.Auto();
    }
    JsonNode node = given.get();
    ToolChoice choice =
        switch (node.isTextual() ? node.textValue() : node.path("type").asText()) {
          case "none" -> new ToolChoice.None();
          case "auto" -> tools.isEmpty() ? new ToolChoice.None() : new ToolChoice.Auto();
          case "required" -> new ToolChoice.Required();
          case "function" -> new ToolChoice.Named(node.path("function").path("name").asText());
          default ->
              throw RequestProblem.field(
                  "tool_choice",
                  "none, auto, required or {\"type\": \"function\", \"function\": {\"name\"}}",
                  node.toString());
        };
    if (choice instanceof ToolChoice.Required && tools.isEmpty()) {
      throw RequestProblem.field("tool_choice", "tools beside it", "none of them");
    }
    if (choice instanceof ToolChoice.Named(String name)
        && tools.stream().noneMatch(t -> t.name().equals(name))) {
      throw RequestProblem.field(
          "tool_choice", "one of " + tools.stream().map(Tool::name).toList(), "'" + name + "'");
    }
    return choice;
  }

  /** What the template is told of them. */
  Map<String, Object> variables() {
    return declared.isEmpty()
        ? Map.of()
        : Map.of("tools", declared.stream().map(Tool::declaration).toList());
  }
}
