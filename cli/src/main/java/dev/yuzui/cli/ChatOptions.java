package dev.yuzui.cli;

import dev.yuzui.engine.Engine;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.TemplateChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a conversation is put to the model: shared by {@code generate} and {@code chat}. */
final class ChatOptions {
  @Option(
      names = {"-n", "--predict", "--n-predict"},
      paramLabel = "N",
      converter = Ranges.Made.class,
      description = "Tokens to make at most; -1: until the context is full (the default).")
  private int maxTokens = -1;

  @Option(
      names = {"-sys", "--system-prompt"},
      paramLabel = "TEXT",
      description = "What the model is told before the conversation.")
  private Optional<String> system = Optional.empty();

  @Option(
      names = {"--chat-template", "--chat-template-file"},
      paramLabel = "NAME|FILE",
      description =
          "A built-in template or a Jinja file (default: the model's own; for a chat model without"
              + " one, a built-in).")
  private Optional<String> template = Optional.empty();

  @Option(
      names = "--reasoning",
      paramLabel = "MODE",
      converter = Mode.class,
      description = "What becomes of <think> text: show, hide or stderr (default: show).")
  private ReasoningFilter.Mode reasoning = ReasoningFilter.Mode.SHOW;

  int maxTokens() {
    return maxTokens;
  }

  Optional<String> system() {
    return system;
  }

  boolean namesTemplate() {
    return template.isPresent();
  }

  ReasoningFilter.Mode reasoning() {
    return reasoning;
  }

  /** The template that was named, else the one that the model's files ask for. */
  Optional<ChatTemplate> template(Context context, Engine engine) {
    if (template.isEmpty()) {
      TemplateChoice choice = engine.templateChoice();
      boolean doubtful = choice instanceof TemplateChoice.None none && none.advice().isPresent();
      Consumer<String> to = doubtful ? context.err()::println : engine.options().log();
      to.accept("chat template: " + choice.line());
      return engine.chatTemplate();
    }
    String name = template.get();
    engine.options().log().accept("chat template: " + name + ", for --chat-template says so");
    return Optional.of(
        Files.isRegularFile(Path.of(name))
            ? ChatTemplate.jinja(
                name, Input.read(context, "--chat-template", name), engine.tokenizer())
            : ChatTemplate.builtIn(name, engine.tokenizer()));
  }

  static final class Mode implements ITypeConverter<ReasoningFilter.Mode> {
    @Override
    public ReasoningFilter.Mode convert(String text) {
      try {
        return ReasoningFilter.Mode.valueOf(text.toUpperCase(Locale.ROOT));
      } catch (IllegalArgumentException _) {
        throw new TypeConversionException("expected show, hide or stderr, found '" + text + "'");
      }
    }
  }
}
