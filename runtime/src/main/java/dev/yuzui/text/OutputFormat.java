package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Invocations;
import dev.yuzui.text.ToolSyntax.Objects;
import dev.yuzui.text.ToolSyntax.Pairs;
import dev.yuzui.text.ToolSyntax.Section;
import java.util.List;

/**
 * How a family writes its answers. All think between {@code <think>} and {@code </think>}; they
 * differ in how they call tools.
 */
public enum OutputFormat {
  DEEPSEEK_V3(
      new Section(
          "<｜tool▁calls▁begin｜>",
          "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
          "\n```json\n",
          "\n```<｜tool▁call▁end｜>",
          "\n",
          "<｜tool▁calls▁end｜>")),
  DEEPSEEK_V3_1(
      new Section(
          "<｜tool▁calls▁begin｜>",
          "<｜tool▁call▁begin｜>",
          "<｜tool▁sep｜>",
          "<｜tool▁call▁end｜>",
          "",
          "<｜tool▁calls▁end｜>")),
  DEEPSEEK_V3_2(Invocations.V3_2),
  DEEPSEEK_V4(Invocations.V4),
  KIMI_K2(
      new Section(
          "<|tool_calls_section_begin|>",
          "<|tool_call_begin|>functions.",
          ":$<|tool_call_argument_begin|>",
          "<|tool_call_end|>",
          "",
          "<|tool_calls_section_end|>")),
  GLM(new Pairs()),
  /** Models without a way of their own: a JSON object between tags, as Qwen and Hermes have it. */
  PLAIN(new Objects("<tool_call>\n", "\n</tool_call>", "\n"));

  public static final String THINK = "<think>";
  public static final String END_THINK = "</think>";

  private final ToolSyntax tools;

  OutputFormat(ToolSyntax tools) {
    this.tools = tools;
  }

  public ToolSyntax tools() {
    return tools;
  }

  /** That of a model with this chat template: the one whose calls it writes. */
  static OutputFormat of(String template) {
    if (template.contains(Invocations.MARK)) {
      return template.contains(Invocations.V3_2.block()) ? DEEPSEEK_V3_2 : DEEPSEEK_V4;
    }
    if (template.contains(KIMI_K2.tools.begin())) {
      return KIMI_K2;
    }
    if (template.contains(Pairs.KEY)) {
      return GLM;
    }
    if (template.contains(DEEPSEEK_V3.tools.begin())) {
      return template.contains("```json") ? DEEPSEEK_V3 : DEEPSEEK_V3_1;
    }
    return PLAIN;
  }

  /** How the {@code index}th call of a conversation is called. */
  String id(String name, int index) {
    return this == KIMI_K2 ? "functions." + name + ":" + index : "call_" + index;
  }

  /** Where a prompt leaves an answer. */
  public enum Opening {
    /** It may think or not. */
    FREE,
    /** It is thinking. */
    THINKING,
    /** It has thought, or never does. */
    ANSWERING
  }

  /** What the template, not someone's words, wrote last. */
  public static Opening opening(Prompt prompt) {
    return prompt.endsWith(END_THINK)
        ? Opening.ANSWERING
        : prompt.endsWith(THINK) ? Opening.THINKING : Opening.FREE;
  }

  /** Reads an answer. */
  public OutputParser parser(Tokenizer tokenizer, Prompt prompt, List<Tool> offered, int before) {
    return new OutputParser(this, tokenizer, opening(prompt), offered, before);
  }

  /** How many calls the turns have. */
  public static int calls(List<Message> messages) {
    return messages.stream()
        .mapToInt(m -> m.more().get("tool_calls") instanceof List<?> calls ? calls.size() : 0)
        .sum();
  }
}
