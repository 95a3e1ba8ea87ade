package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Invocations;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * How DeepSeek-V3.2 is asked. No template is published: its encoding_dsv32.py is the definition.
 * Tools, their calls and results are written in DSML; what an assistant thought is shown behind the
 * last question alone, where the model thinks.
 */
final class V32Encoding {
  private static final String BOS = "<｜begin▁of▁sentence｜>";
  private static final String EOS = "<｜end▁of▁sentence｜>";
  private static final String USER = "<｜User｜>";
  private static final String ASSISTANT = "<｜Assistant｜>";
  private static final String OPEN = "<think>";
  private static final String CLOSE = "</think>";

  private static final String TOOLS =
      """


      ## Tools

      You have access to a set of tools you can use to answer the user's question.
      You can invoke functions by writing a "<｜DSML｜function_calls>" block like the following as part of your reply to the user:
      <｜DSML｜function_calls>
      <｜DSML｜invoke name="$FUNCTION_NAME">
      <｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
      ...
      </｜DSML｜invoke>
      <｜DSML｜invoke name="$FUNCTION_NAME2">
      ...
      </｜DSML｜invoke>
      </｜DSML｜function_calls>

      String and scalar parameters should be specified as is without any escaping or quotes, while lists and objects should use JSON format. The "string" attribute should be set to "true" for string type parameters and "false" for other types (numbers, booleans, arrays, objects).

      If the thinking_mode is enabled, then after function results you should strongly consider outputting a thinking block. Here is an example:

      <｜DSML｜function_calls>
      ...
      </｜DSML｜function_calls>

      <function_results>
      ...
      </function_results>

      <think>...thinking about results</think>

      Here are the functions available in JSONSchema format:
      <functions>
      """;

  private static final String FORMAT =
      "\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n";

  private final List<Message> messages;
  private final RenderOptions options;
  private final int lastQuestion;

  private V32Encoding(List<Message> messages, RenderOptions options) {
    this.messages = messages;
    this.options = options;
    int last = -1;
    for (int i = 0; i < messages.size(); i++) {
      last = messages.get(i).role().equals("user") ? i : last;
    }
    lastQuestion = last;
  }

  static String render(List<Message> messages, RenderOptions options) {
    return new V32Encoding(messages, options).render();
  }

  private String render() {
    StringBuilder out = new StringBuilder(BOS);
    Optional<Object> tools = given(options.variables().get("tools"));
    boolean told = messages.stream().anyMatch(m -> m.role().equals("system"));
    if (!told) {
      tools.ifPresent(t -> out.append(tools(t)));
    }
    boolean first = true;
    for (int i = 0; i < messages.size(); i++) {
      Message m = messages.get(i);
      switch (m.role()) {
        case "system" -> {
          out.append(text(m));
          given(m.more().get("tools"))
              .or(first ? () -> tools : Optional::empty)
              .ifPresent(t -> out.append(tools(t)));
          given(m.more().get("response_format"))
              .ifPresent(f -> out.append(FORMAT).append(Json.write(f, Map.of())));
          first = false;
        }
        case "user" -> out.append(USER).append(text(m)).append(turn(i, ASSISTANT));
        case "assistant" -> out.append(answer(i, m)).append(EOS);
        case "tool" -> out.append(result(i, m));
        default ->
            throw new TextException(
                "expected system, user, assistant or tool, found a turn of " + m.role());
      }
    }
    return out.toString();
  }

  /** What stands between a turn that the model answers and its answer. */
  private String turn(int i, String begin) {
    boolean answered = i + 1 < messages.size();
    return answered || options.addGenerationPrompt() ? begin + (thinks(i) ? OPEN : CLOSE) : "";
  }

  /** Whether the model thinks behind turn {@code i}. */
  private boolean thinks(int i) {
    return options.thinking().orElse(false) && i >= lastQuestion;
  }

  private String answer(int i, Message m) {
    String thought = thinks(i) ? given(m.more().get("reasoning_content")).orElse("") + CLOSE : "";
    return thought + m.content().orElse("") + Dsml.calls(m, Invocations.V3_2);
  }

  /** Results of neighbouring turns stand in one block. */
  private String result(int i, Message m) {
    boolean first = i == 0 || !messages.get(i - 1).role().equals("tool");
    boolean last = i + 1 == messages.size() || !messages.get(i + 1).role().equals("tool");
    return (first ? "\n\n<function_results>" : "")
        + "\n<result>"
        + m.content().orElse("")
        + "</result>"
        + (last ? "\n</function_results>" + turn(i, "\n\n") : "");
  }

  private static String tools(Object tools) {
    return TOOLS + Dsml.schemas(tools) + "\n</functions>\n";
  }

  private static Optional<Object> given(Object value) {
    return Optional.ofNullable(value).filter(v -> !Objects.equals(v, List.of()));
  }

  private static String text(Message m) {
    return m.content()
        .orElseThrow(() -> new TextException("found a turn of " + m.role() + " without text"));
  }
}
