package dev.yuzui.cli.options;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.io.Json;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import dev.yuzui.text.TemplateChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a conversation is put to the model: shared by {@code generate} and {@code chat}. */
public final class ChatOptions {
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
      names = {"-sysf", "--system-prompt-file"},
      paramLabel = "FILE",
      description = "The same, from a file.")
  private Optional<Path> systemFile = Optional.empty();

  @Option(
      names = {"--chat-template", "--chat-template-file"},
      paramLabel = "NAME|FILE",
      description =
          "A built-in template or a Jinja file (default: the model's own; for a chat model without"
              + " one, a built-in).")
  private Optional<String> template = Optional.empty();

  @Option(
      names = "--chat-template-kwargs",
      paramLabel = "JSON",
      converter = Kwargs.class,
      description =
          "Variables of the chat template, as a JSON object; thinking and enable_thinking are"
              + " --think.")
  private Optional<ObjectNode> kwargs = Optional.empty();

  @Option(
      names = "--think",
      paramLabel = "on|off",
      arity = "1",
      converter = OnOff.class,
      description = "For models that answer both ways: think first, or not (default: the model's).")
  private Optional<Boolean> think = Optional.empty();

  @Option(
      names = "--reasoning",
      paramLabel = "MODE",
      converter = Mode.class,
      description = "What becomes of <think> text: show, hide or stderr (default: show).")
  private ReasoningFilter.Mode reasoning = ReasoningFilter.Mode.SHOW;

  /** Says what is wrong with them before a model is loaded. */
  public void validate() {
    system();
    rendering();
  }

  public int maxTokens() {
    return maxTokens;
  }

  /** The file's last newline is an editor's. */
  public Optional<String> system() {
    if (system.isPresent() && systemFile.isPresent()) {
      throw new UsageException("-sys, -sysf: expected one of them, found both");
    }
    return system.or(() -> systemFile.map(f -> Input.withoutLastNewline(Input.read("-sysf", f))));
  }

  /** Flags that need a chat template, of those that are given. */
  public List<String> ofTemplate() {
    List<String> flags = new ArrayList<>();
    system.ifPresent(_ -> flags.add("-sys"));
    systemFile.ifPresent(_ -> flags.add("-sysf"));
    template.ifPresent(_ -> flags.add("--chat-template"));
    think.ifPresent(_ -> flags.add("--think"));
    kwargs.ifPresent(_ -> flags.add("--chat-template-kwargs"));
    return flags;
  }

  /** How an answer is asked for. */
  public RenderOptions rendering() {
    RenderOptions options;
    try {
      options = RenderOptions.ANSWER.withKwargs(kwargs.map(Json::fields).orElse(Map.of()));
    } catch (IllegalArgumentException e) {
      throw new UsageException("--chat-template-kwargs: " + e.getMessage());
    }
    if (think.isPresent() && options.thinking().isPresent() && !think.equals(options.thinking())) {
      throw new UsageException(
          "--think, --chat-template-kwargs: expected one answer to whether the model thinks, found"
              + " both");
    }
    return think.map(options::withThinking).orElse(options);
  }

  public ReasoningFilter.Mode reasoning() {
    return reasoning;
  }

  /**
   * The template that was named, else the one that the model's files ask for; where there is none,
   * no flag may need one.
   */
  public Optional<ChatTemplate> template(Context context, Engine engine) {
    Optional<ChatTemplate> found = find(context, engine);
    if (found.isEmpty() && !ofTemplate().isEmpty()) {
      throw new UsageException(
          String.join(", ", ofTemplate())
              + ": this model has no chat template to put it in; name one with --chat-template");
    }
    if (rendering().thinking().isPresent() && !found.orElseThrow().switchesThinking()) {
      throw new UsageException(
          (think.isPresent() ? "--think" : "--chat-template-kwargs")
              + ": "
              + found.get().name()
              + " has no switch for thinking; leave it out");
    }
    return found;
  }

  private Optional<ChatTemplate> find(Context context, Engine engine) {
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

  static final class OnOff implements ITypeConverter<Boolean> {
    @Override
    public Boolean convert(String text) {
      return switch (text) {
        case "on", "1", "true" -> true;
        case "off", "0", "false" -> false;
        default -> throw new TypeConversionException("expected on or off, found '" + text + "'");
      };
    }
  }

  static final class Kwargs implements ITypeConverter<ObjectNode> {
    @Override
    public ObjectNode convert(String text) {
      try {
        return Json.STRICT.forType(ObjectNode.class).readValue(text);
      } catch (JsonProcessingException _) {
        throw new TypeConversionException("expected a JSON object, found '" + text + "'");
      }
    }
  }

  static final class Mode implements ITypeConverter<ReasoningFilter.Mode> {
    @Override
    public ReasoningFilter.Mode convert(String text) {
      try {
        return ReasoningFilter.Mode.valueOf(text.toUpperCase(Locale.ROOT));
      } catch (IllegalArgumentException _) {
        boolean llama = Set.of("on", "off", "auto").contains(text);
        throw new TypeConversionException(
            "expected show, hide or stderr, found '"
                + text
                + "'"
                + (llama ? "; --think on or off says whether the model thinks" : ""));
      }
    }
  }
}
