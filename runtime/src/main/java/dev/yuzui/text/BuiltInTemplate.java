package dev.yuzui.text;

import dev.yuzui.text.ModelNames.Verdict;
import dev.yuzui.text.TemplateChoice.BuiltIn;
import dev.yuzui.text.TemplateChoice.None;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The published prompt formats, for models whose files lost theirs, or never had one. But for
 * V3.2's and V4's they know no tools.
 */
enum BuiltInTemplate {
  DEEPSEEK_CODER("deepseek-coder"),
  DEEPSEEK_V2("deepseek-v2"),
  DEEPSEEK_V2_5("deepseek-v2.5"),
  DEEPSEEK_V3("deepseek-v3"),
  DEEPSEEK_R1("deepseek-r1"),
  DEEPSEEK_V3_1("deepseek-v3.1"),
  DEEPSEEK_V3_2("deepseek-v3.2"),
  DEEPSEEK_V4("deepseek-v4"),
  /** V4-Flash as it was released on July 31st, whose words for effort say more. */
  DEEPSEEK_V4_0731("deepseek-v4-0731");

  private static final String BOS = "<｜begin▁of▁sentence｜>";
  private static final String EOS = "<｜end▁of▁sentence｜>";
  private static final String USER = "<｜User｜>";
  private static final String ASSISTANT = "<｜Assistant｜>";
  private static final String CLOSE = "</think>";
  private static final String END_OF_TURN = "<|EOT|>";

  /** What Coder V1 is told where a conversation says nothing. */
  private static final String CODER_SYSTEM =
      "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by"
          + " Deepseek Company, and you only answer questions related to computer science. For"
          + " politically sensitive questions, security and privacy issues, and other non-computer"
          + " science questions, you will refuse to answer\n";

  private final String label;

  BuiltInTemplate(String label) {
    this.label = label;
  }

  String label() {
    return label;
  }

  /** How the model's answers are written. */
  OutputFormat format() {
    return switch (this) {
      case DEEPSEEK_V3, DEEPSEEK_R1 -> OutputFormat.DEEPSEEK_V3;
      case DEEPSEEK_V3_1 -> OutputFormat.DEEPSEEK_V3_1;
      case DEEPSEEK_V3_2 -> OutputFormat.DEEPSEEK_V3_2;
      case DEEPSEEK_V4, DEEPSEEK_V4_0731 -> OutputFormat.DEEPSEEK_V4;
      case DEEPSEEK_CODER, DEEPSEEK_V2, DEEPSEEK_V2_5 -> OutputFormat.PLAIN;
    };
  }

  /** Whether it has a place for calls of tools. */
  boolean showsCalls() {
    return switch (this) {
      case DEEPSEEK_V3, DEEPSEEK_R1, DEEPSEEK_V3_1, DEEPSEEK_V3_2, DEEPSEEK_V4, DEEPSEEK_V4_0731 ->
          true;
      case DEEPSEEK_CODER, DEEPSEEK_V2, DEEPSEEK_V2_5 -> false;
    };
  }

  static Optional<BuiltInTemplate> named(String name) {
    return List.of(values()).stream().filter(t -> t.label.equals(name)).findFirst();
  }

  static String names() {
    return List.of(values()).stream().map(BuiltInTemplate::label).collect(Collectors.joining(", "));
  }

  /**
   * What of a vocabulary tells the formats apart.
   *
   * @param deepseek it has DeepSeek's BOS
   * @param roles it has tokens for who speaks
   * @param endsTurns it has Coder V1's token for the end of a turn
   * @param reminds it has V4's token for a reminder
   */
  record Traits(
      boolean deepseek,
      boolean roles,
      boolean thinks,
      boolean endsTurns,
      boolean reminds,
      int size) {
    static Traits of(Vocabulary vocabulary) {
      Set<String> pieces = new HashSet<>(Arrays.asList(vocabulary.pieces()));
      return new Traits(
          pieces.contains(BOS),
          pieces.containsAll(List.of(USER, ASSISTANT)),
          pieces.contains("<think>"),
          pieces.contains(END_OF_TURN),
          pieces.contains(V4Encoding.REMINDER),
          vocabulary.size());
    }
  }

  /** The names decide whether there is one, vocabulary and names which. */
  static TemplateChoice choose(ModelNames names, Supplier<Traits> vocabulary) {
    Optional<Verdict> verdict = names.verdict();
    if (verdict.isPresent() && !verdict.get().chat()) {
      return new None(verdict.get().because(), Optional.empty());
    }
    Traits traits = vocabulary.get(); // takes a while to read
    if (!traits.deepseek) {
      return new None("none of the built-in ones is for its vocabulary", Optional.empty());
    }
    BuiltInTemplate fitting = fitting(names, traits);
    return verdict
        .<TemplateChoice>map(v -> new BuiltIn(fitting.label, v.because()))
        .orElseGet(
            () ->
                new None(
                    "nothing in its files says that it was trained to chat",
                    Optional.of("if it was, add --chat-template " + fitting.label)));
  }

  private static BuiltInTemplate fitting(ModelNames names, Traits traits) {
    if (!traits.roles) {
      return traits.endsTurns ? DEEPSEEK_CODER : DEEPSEEK_V2;
    }
    if (traits.size < 110_000) {
      return DEEPSEEK_V2_5;
    }
    if (names.say("v4") || traits.reminds) {
      return names.say("0731") ? DEEPSEEK_V4_0731 : DEEPSEEK_V4;
    }
    if (names.say("v3\\.2")) {
      return DEEPSEEK_V3_2;
    }
    if (names.say("v3\\.1")) {
      return DEEPSEEK_V3_1;
    }
    boolean r1 = names.say("r1(?:t2?)?") || (traits.thinks && !names.say("v3"));
    return r1 ? DEEPSEEK_R1 : DEEPSEEK_V3;
  }

  String render(List<Message> messages, RenderOptions options) {
    return switch (this) {
      case DEEPSEEK_V3_2 -> V32Encoding.render(messages, options);
      case DEEPSEEK_V4 -> V4Encoding.render(messages, options, V4Encoding.Release.FLASH_AND_PRO);
      case DEEPSEEK_V4_0731 -> V4Encoding.render(messages, options, V4Encoding.Release.FLASH_0731);
      default -> plain(messages, options);
    };
  }

  private String plain(List<Message> messages, RenderOptions options) {
    StringBuilder out = new StringBuilder(BOS);
    if (this == DEEPSEEK_CODER) {
      boolean told = messages.stream().anyMatch(m -> m.role().equals("system"));
      out.append(told ? "" : CODER_SYSTEM);
      messages.forEach(
          m ->
              out.append(
                  switch (m.role()) {
                    case "system" -> text(m);
                    case "user" -> "### Instruction:\n" + text(m) + "\n";
                    default -> "### Response:\n" + text(m) + "\n" + END_OF_TURN + "\n";
                  }));
      return out.append(options.addGenerationPrompt() ? "### Response:\n" : "").toString();
    }
    if (this == DEEPSEEK_V2) {
      messages.forEach(
          m ->
              out.append(
                  switch (m.role()) {
                    case "system" -> text(m) + "\n\n";
                    case "user" -> "User: " + text(m) + "\n\n";
                    default -> "Assistant: " + text(m) + EOS;
                  }));
      return out.append(options.addGenerationPrompt() ? "Assistant:" : "").toString();
    }
    List<String> systems = new ArrayList<>();
    StringBuilder turns = new StringBuilder();
    String before = "";
    for (int i = 0; i < messages.size(); i++) {
      Message m = messages.get(i);
      switch (m.role()) {
        case "system" -> systems.add(text(m));
        case "user" -> turns.append(USER).append(text(m));
        case "tool" -> turns.append(result(messages, i));
        default ->
            turns
                .append(before.equals("tool") ? "" : ASSISTANT)
                .append(this == DEEPSEEK_V3_1 && !before.equals("tool") ? CLOSE : "")
                .append(answer(m))
                .append(EOS);
      }
      before = m.role();
    }
    out.append(String.join("\n\n", systems)).append(turns);
    boolean goesOn = before.equals("tool") || (this == DEEPSEEK_V3_1 && before.equals("assistant"));
    if (options.addGenerationPrompt() && !goesOn) {
      out.append(ASSISTANT)
          .append(
              switch (this) {
                case DEEPSEEK_R1 -> "<think>\n";
                case DEEPSEEK_V3_1 -> options.thinking().orElse(false) ? "<think>" : CLOSE;
                default -> "";
              });
    }
    return out.toString();
  }

  private String answer(Message m) {
    if (m.more().get("tool_calls") instanceof List<?> calls && !calls.isEmpty() && showsCalls()) {
      return m.content().orElse("") + ToolPrompt.calls(calls, format());
    }
    return withoutReasoning(text(m));
  }

  /** What a tool answered; the model goes on behind the last. */
  private String result(List<Message> messages, int i) {
    if (!showsCalls()) {
      text(messages.get(i)); // says that there is no place for it
    }
    String text =
        "<｜tool▁output▁begin｜>" + messages.get(i).content().orElse("") + "<｜tool▁output▁end｜>";
    if (this == DEEPSEEK_V3_1) {
      return text;
    }
    boolean first = i == 0 || !messages.get(i - 1).role().equals("tool");
    boolean last = i + 1 == messages.size() || !messages.get(i + 1).role().equals("tool");
    return (first ? "<｜tool▁outputs▁begin｜>" : "") + text + (last ? "<｜tool▁outputs▁end｜>" : "");
  }

  /** R1 and V3.1 are not shown what they once thought. */
  private String withoutReasoning(String answer) {
    boolean reasons = this == DEEPSEEK_R1 || this == DEEPSEEK_V3_1;
    int close = reasons ? answer.lastIndexOf(CLOSE) : -1;
    return close < 0 ? answer : answer.substring(close + CLOSE.length());
  }

  private static String text(Message m) {
    if (!List.of("system", "user", "assistant").contains(m.role()) || m.content().isEmpty()) {
      throw new TextException(
          "expected text of system, user or assistant, found "
              + (m.content().isEmpty() ? "a turn of " + m.role() + " without text" : m.role()));
    }
    if (m.more().containsKey("tool_calls")) {
      throw new TextException(
          "expected text, found tool calls, which this template has no place for");
    }
    return m.content().get();
  }
}
