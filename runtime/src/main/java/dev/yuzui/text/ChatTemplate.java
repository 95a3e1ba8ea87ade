package dev.yuzui.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.BiFunction;

/** Turns a conversation into the text a model was trained on. */
public final class ChatTemplate {
  private static final String FIX = "; use --raw, or --chat-template NAME|FILE";

  private final String name;
  private final BiFunction<List<Message>, RenderOptions, String> renderer;

  private ChatTemplate(String name, BiFunction<List<Message>, RenderOptions, String> renderer) {
    this.name = name;
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
        (messages, options) -> {
          Map<String, Object> variables = new HashMap<>();
          variables.put("bos_token", bos);
          variables.put("eos_token", eos);
          options
              .thinking()
              .ifPresent(
                  thinking -> {
                    variables.put("thinking", thinking);
                    variables.put("enable_thinking", thinking);
                  });
          variables.putAll(options.variables());
          variables.put("messages", messages.stream().map(Message::fields).toList());
          variables.put("add_generation_prompt", options.addGenerationPrompt());
          return jinja.render(variables);
        });
  }

  /**
   * @param name {@code deepseek-v2}, {@code deepseek-v2.5}, {@code deepseek-v3}, {@code
   *     deepseek-r1} or {@code deepseek-v3.1}
   */
  public static ChatTemplate builtIn(String name) {
    return builtIn(
        BuiltInTemplate.named(name)
            .orElseThrow(
                () ->
                    new TextException(
                        "--chat-template: expected a file or one of "
                            + BuiltInTemplate.names()
                            + ", found "
                            + name)));
  }

  private static ChatTemplate builtIn(BuiltInTemplate template) {
    return new ChatTemplate("built-in template " + template.label(), template::render);
  }

  /** Where the template comes from, for people. */
  public String name() {
    return name;
  }

  /** The prompt; it begins with BOS where the model wants it. Throws {@link TextException}. */
  public String render(List<Message> messages, RenderOptions options) {
    try {
      return renderer.apply(messages, options);
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
