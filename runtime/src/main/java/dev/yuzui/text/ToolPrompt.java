package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Objects;
import dev.yuzui.text.ToolSyntax.Section;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Tools and their calls as text, for templates that have no place for them. Works on what {@link
 * Sentinels} have guarded: what it adds is a template's.
 */
final class ToolPrompt {
  private ToolPrompt() {}

  /** The conversation, whose first turn is a system's that tells of the tools. */
  static List<Message> declared(List<Message> messages, List<?> tools, OutputFormat format) {
    String text = declaration(tools, format);
    List<Message> all = new ArrayList<>(messages);
    boolean told = !all.isEmpty() && all.getFirst().role().equals("system");
    if (told) {
      Message system = all.removeFirst();
      String before = system.content().filter(t -> !t.isEmpty()).map(t -> t + "\n\n").orElse("");
      all.addFirst(new Message("system", Optional.of(before + text), system.more()));
    } else {
      all.addFirst(Message.system(text));
    }
    return all;
  }

  private static String declaration(List<?> tools, OutputFormat format) {
    return format.tools() instanceof Section section
        ? ofSection(tools, section)
        : """
          # Tools

          You may call one or more functions to assist with the user query.

          You are provided with function signatures within <tools></tools> XML tags:
          <tools>
          %s
          </tools>

          For each function call, return a json object with function name and arguments within \
          <tool_call></tool_call> XML tags:
          <tool_call>
          {"name": <function-name>, "arguments": <args-json-object>}
          </tool_call>"""
            .formatted(
                tools.stream()
                    .map(tool -> Json.write(tool, Map.of()))
                    .collect(Collectors.joining("\n")));
  }

  /** As DeepSeek-V3.1's model card has it. */
  private static String ofSection(List<?> tools, Section section) {
    return """
        ## Tools
        You have access to the following tools:

        %s

        IMPORTANT: ALWAYS adhere to this exact format for tool use:
        %s

        Where:

        - `tool_call_name` must be an exact match to one of the available tools
        - `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
        - For multiple tool calls, chain them directly without separators or spaces"""
        .formatted(
            tools.stream().map(ToolPrompt::section).collect(Collectors.joining("\n\n")),
            section.begin()
                + section.open()
                + "tool_call_name"
                + section.named()
                + "tool_call_arguments"
                + section.close()
                + "{additional_tool_calls}"
                + section.end());
  }

  private static String section(Object tool) {
    Map<?, ?> function =
        tool instanceof Map<?, ?> map && map.get("function") instanceof Map<?, ?> inner
            ? inner
            : tool instanceof Map<?, ?> map ? map : Map.of();
    Object description = function.get("description");
    return "### "
        + function.get("name")
        + "\nDescription: "
        + (description == null ? "" : description)
        + "\n\nParameters: "
        + Json.write(
            Optional.<Object>ofNullable(function.get("parameters")).orElse(Map.of()), Map.of());
  }

  /** The conversation with calls and what tools answered as text. */
  static List<Message> spelled(List<Message> messages, OutputFormat format) {
    List<Message> all = new ArrayList<>();
    for (Message message : messages) {
      if (message.role().equals("tool")) {
        String result = "<tool_response>\n" + message.content().orElse("") + "\n</tool_response>";
        if (!all.isEmpty() && all.getLast().more().containsKey(RESULT)) {
          result = all.removeLast().content().orElse("") + "\n" + result;
        }
        all.add(new Message("user", Optional.of(result), Map.of(RESULT, true)));
      } else if (message.more().get("tool_calls") instanceof List<?> calls && !calls.isEmpty()) {
        Map<String, Object> more = new LinkedHashMap<>(message.more());
        more.remove("tool_calls");
        String said = message.content().orElse("");
        String gap = said.isEmpty() || !(format.tools() instanceof Objects) ? "" : "\n";
        all.add(new Message("assistant", Optional.of(said + gap + calls(calls, format)), more));
      } else {
        all.add(message);
      }
    }
    return all.stream().map(ToolPrompt::plain).toList();
  }

  private static final String RESULT = "tool_result";

  private static Message plain(Message message) {
    return message.more().containsKey(RESULT)
        ? new Message(message.role(), message.content(), Map.of())
        : message;
  }

  /** Calls as the family writes them. */
  static String calls(List<?> calls, OutputFormat format) {
    Section section =
        format.tools() instanceof Section own
            ? own
            : new Section(
                "", "<tool_call>\n{\"name\": ", ", \"arguments\": ", "}\n</tool_call>", "\n", "");
    boolean quoted = !(format.tools() instanceof Section);
    StringBuilder out = new StringBuilder(section.begin());
    String between = "";
    for (int i = 0; i < calls.size(); i++) {
      if (!(calls.get(i) instanceof Map<?, ?> call)
          || !(call.get("function") instanceof Map<?, ?> function)) {
        throw new TextException("expected tool_calls of functions, found " + calls.get(i));
      }
      String name = String.valueOf(function.get("name"));
      Object arguments = function.get("arguments");
      out.append(between)
          .append(section.open())
          .append(quoted ? Json.write(name, Map.of()) : name)
          .append(section.named().replace("$", String.valueOf(i)))
          .append(
              arguments instanceof String text
                  ? text.isBlank() ? "{}" : text
                  : Json.write(arguments == null ? Map.of() : arguments, Map.of()))
          .append(section.close());
      between = section.between();
    }
    return out.append(section.end()).toString();
  }
}
