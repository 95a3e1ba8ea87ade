package dev.yuzui.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** The published prompt formats, for models whose files lost theirs. They know no tools. */
enum BuiltInTemplate {
  DEEPSEEK_V2("deepseek-v2"),
  DEEPSEEK_V2_5("deepseek-v2.5"),
  DEEPSEEK_V3("deepseek-v3"),
  DEEPSEEK_R1("deepseek-r1"),
  DEEPSEEK_V3_1("deepseek-v3.1");

  private static final String BOS = "<｜begin▁of▁sentence｜>";
  private static final String EOS = "<｜end▁of▁sentence｜>";
  private static final String USER = "<｜User｜>";
  private static final String ASSISTANT = "<｜Assistant｜>";
  private static final String CLOSE = "</think>";

  private final String label;

  BuiltInTemplate(String label) {
    this.label = label;
  }

  String label() {
    return label;
  }

  static Optional<BuiltInTemplate> named(String name) {
    return List.of(values()).stream().filter(t -> t.label.equals(name)).findFirst();
  }

  static String names() {
    return List.of(values()).stream().map(BuiltInTemplate::label).collect(Collectors.joining(", "));
  }

  /** The model's name decides where it says enough, else its vocabulary. */
  static Optional<BuiltInTemplate> detect(String modelName, Tokenizer tokenizer) {
    if (tokenizer.id(BOS).isEmpty()) {
      return Optional.empty();
    }
    String name = modelName.toLowerCase(Locale.ROOT);
    boolean roles = tokenizer.id(USER).isPresent() && tokenizer.id(ASSISTANT).isPresent();
    if (!roles) {
      return Optional.of(DEEPSEEK_V2);
    }
    if (tokenizer.size() < 110_000) {
      return Optional.of(DEEPSEEK_V2_5);
    }
    if (name.contains("v3.1")) {
      return Optional.of(DEEPSEEK_V3_1);
    }
    boolean thinks = tokenizer.id("<think>").isPresent() && !name.contains("v3");
    return Optional.of(thinks ? DEEPSEEK_R1 : DEEPSEEK_V3);
  }

  String render(List<Message> messages, RenderOptions options) {
    StringBuilder out = new StringBuilder(BOS);
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
    for (Message m : messages) {
      switch (m.role()) {
        case "system" -> systems.add(text(m));
        case "user" -> turns.append(USER).append(text(m));
        default ->
            turns
                .append(ASSISTANT)
                .append(this == DEEPSEEK_V3_1 ? CLOSE : "")
                .append(withoutReasoning(text(m)))
                .append(EOS);
      }
    }
    out.append(String.join("\n\n", systems)).append(turns);
    boolean answered = !messages.isEmpty() && messages.getLast().role().equals("assistant");
    if (options.addGenerationPrompt() && !(this == DEEPSEEK_V3_1 && answered)) {
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
    return m.content().get();
  }
}
