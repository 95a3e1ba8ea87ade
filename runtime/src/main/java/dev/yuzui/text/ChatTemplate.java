package dev.yuzui.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;

/** Turns a conversation into the prompt a model was trained on. */
public final class ChatTemplate {
  private static final String FIX = "; use --raw, or --chat-template NAME|FILE";

  /** Makes a text of what {@link Sentinels} guard. */
  private interface Renderer {
    /**
     * @param guard for values that the template reads out of a text
     */
    String render(List<Message> messages, RenderOptions options, UnaryOperator<Object> guard);
  }

  private final String name;
  private final ControlTokens tokens;
  private final Renderer renderer;
  private final OutputFormat format;
  private final boolean showsCalls;
  private Optional<ToolCallForm> toolCallForm = Optional.empty(); // once a turn calls tools
  private Optional<Boolean> countsInEachTurn = Optional.empty(); // once a turn calls Kimi's
  private Optional<Boolean> switchesThinking = Optional.empty(); // once it is asked
  private Optional<Boolean> showsTools = Optional.empty(); // once there are some

  /**
   * @param showsCalls whether it has a place for calls of tools
   */
  private ChatTemplate(
      String name,
      Tokenizer tokenizer,
      OutputFormat format,
      boolean showsCalls,
      Renderer renderer) {
    this.name = name;
    this.format = format;
    this.showsCalls = showsCalls;
    this.tokens = tokenizer.controlTokens().and(ControlTokens.THINK);
    this.renderer = renderer;
  }

  /**
   * A Jinja template as transformers has them.
   *
   * @param name for messages
   */
  public static ChatTemplate jinja(String name, String text, Tokenizer tokenizer) {
    Jinja jinja;
    try {
      jinja = new Jinja(text);
    } catch (TextException e) {
      throw failed(name, e);
    }
    String bos = piece(tokenizer, tokenizer.bos());
    String eos = piece(tokenizer, tokenizer.eos());
    return new ChatTemplate(
        name,
        tokenizer,
        OutputFormat.of(text),
        text.contains("tool_calls"),
        (messages, options, guard) -> {
          Map<String, Object> variables = new HashMap<>();
          options
              .thinking()
              .ifPresent(
                  thinking -> {
                    variables.put("thinking", thinking);
                    variables.put("enable_thinking", thinking);
                  });
          variables.putAll(options.variables());
          variables.put("bos_token", bos);
          variables.put("eos_token", eos);
          variables.put("messages", messages.stream().map(Message::fields).toList());
          variables.put("add_generation_prompt", options.addGenerationPrompt());
          return jinja.render(variables, guard);
        });
  }

  /**
   * @param name {@code deepseek-v2}, {@code deepseek-v2.5}, {@code deepseek-v3}, {@code
   *     deepseek-r1}, {@code deepseek-v3.1}, {@code deepseek-v3.2}, {@code deepseek-v4} or {@code
   *     deepseek-v4-0731}
   */
  public static ChatTemplate builtIn(String name, Tokenizer tokenizer) {
    BuiltInTemplate template =
        BuiltInTemplate.named(name)
            .orElseThrow(
                () ->
                    new TextException(
                        "--chat-template: expected a file or one of "
                            + BuiltInTemplate.names()
                            + ", found "
                            + name));
    return new ChatTemplate(
        "built-in template " + name,
        tokenizer,
        template.format(),
        template.showsCalls(),
        (messages, options, _) -> template.render(messages, options));
  }

  /** How its model's answers are written. */
  public OutputFormat format() {
    return format;
  }

  /** Where the template comes from, for people. */
  public String name() {
    return name;
  }

  /**
   * Whether the model can be asked to think or not: whether {@link RenderOptions#thinking} makes a
   * difference.
   */
  public synchronized boolean switchesThinking() {
    if (switchesThinking.isEmpty()) {
      switchesThinking = Optional.of(!probe(true).equals(probe(false)));
    }
    return switchesThinking.get();
  }

  private String probe(boolean thinking) {
    try {
      return renderer.render(
          List.of(Message.user("?")),
          new RenderOptions(true, Optional.of(thinking), Map.of()),
          UnaryOperator.identity());
    } catch (TextException _) {
      return ""; // neither way tells anything
    }
  }

  /** Whether it has a place for the tools that a model may call. */
  private synchronized boolean showsTools() {
    if (showsTools.isEmpty()) {
      Map<String, Object> tool =
          Map.of("type", "function", "function", Map.of("name", "probe_tool"));
      String rendered;
      try {
        rendered =
            renderer.render(
                List.of(Message.user("?")),
                new RenderOptions(true, Optional.empty(), Map.of("tools", List.of(tool))),
                UnaryOperator.identity());
      } catch (TextException _) {
        rendered = "";
      }
      showsTools = Optional.of(rendered.contains("probe_tool"));
    }
    return showsTools.get();
  }

  private synchronized boolean countsInEachTurn() {
    if (countsInEachTurn.isEmpty()) {
      countsInEachTurn = Optional.of(CallIds.anewInEachTurn(format, this::unguarded));
    }
    return countsInEachTurn.get();
  }

  private String unguarded(List<Message> messages) {
    return renderer.render(messages, RenderOptions.ANSWER, UnaryOperator.identity());
  }

  private synchronized ToolCallForm toolCallForm(List<Message> messages) {
    boolean calls = messages.stream().anyMatch(m -> m.more().get("tool_calls") != null);
    if (toolCallForm.isEmpty() && calls) {
      toolCallForm = Optional.of(ToolCallForm.of(this::unguarded));
    }
    return toolCallForm.orElse(ToolCallForm.AS_GIVEN);
  }

  /**
   * The prompt; it begins with BOS where the model wants it. Messages may be as clients send them:
   * with fields that are null, arguments of calls as a JSON string or as a mapping. What messages
   * and variables spell is never a control token, but for the {@code <think>} and {@code </think>}
   * of an assistant's content. Throws {@link TextException}.
   */
  public Prompt render(List<Message> messages, RenderOptions options) {
    if (options.thinking().isPresent() && !switchesThinking()) {
      throw new TextException(
          name + ": it has no switch for thinking; leave out thinking and enable_thinking");
    }
    try {
      ToolCallForm form = toolCallForm(messages);
      List<Message> normalised = messages.stream().map(form::applied).toList();
      if (format == OutputFormat.KIMI_K2) {
        normalised = CallIds.counted(normalised, format, countsInEachTurn());
      }
      Sentinels sentinels = new Sentinels(tokens, List.of(normalised, options.variables()));
      @SuppressWarnings("unchecked") // a map stays one
      Map<String, Object> variables =
          (Map<String, Object>) sentinels.guard((Object) options.variables());
      List<Message> guarded = normalised.stream().map(sentinels::guard).toList();
      if (!showsCalls) {
        guarded = ToolPrompt.spelled(guarded, format);
      }
      if (variables.get("tools") instanceof List<?> tools && !tools.isEmpty() && !showsTools()) {
        guarded = ToolPrompt.declared(guarded, tools, format);
      }
      return sentinels.pieces(
          renderer.render(
              guarded,
              new RenderOptions(options.addGenerationPrompt(), options.thinking(), variables),
              sentinels::guard));
    } catch (TextException e) {
      throw failed(name, e);
    }
  }

  private static TextException failed(String name, TextException e) {
    return new TextException(name + ": " + e.getMessage() + FIX, e);
  }

  private static String piece(Tokenizer tokenizer, OptionalInt id) {
    return id.isPresent() ? tokenizer.piece(id.getAsInt()) : "";
  }
}
