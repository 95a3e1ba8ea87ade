package dev.yuzui.openai;

import dev.yuzui.engine.Engine;
import dev.yuzui.io.Texts;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.RecordCopy;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.PlainChat;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import dev.yuzui.text.Tokenizer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * What a request needs of the model and of who serves it.
 *
 * @param name that answers name as their model
 * @param vocabulary token ids are below it
 * @param encode prompt to token ids, BOS in front where the model wants it
 * @param template renders a conversation; empty where the model has none
 * @param templateName where the template comes from, for people; empty where the model has none
 * @param reading how answers are taken apart; empty where the model has no tokenizer
 * @param rendering where a request says nothing
 * @param raw plain prompts go to the model as they are
 * @param system for conversations that begin without one
 * @param reasoning what becomes of {@code <think>} text; apart means {@code reasoning_content}
 * @param maxTokens where a request says nothing; −1 is up to the context
 * @param stop where a request says nothing
 * @param endOfTurn texts that end an answer in a conversation, whatever the request says
 */
public record ServedModel(
    String name,
    int vocabulary,
    Function<Prompt, int[]> encode,
    Optional<BiFunction<List<Message>, RenderOptions, Prompt>> template,
    Optional<String> templateName,
    Optional<Reading> reading,
    RenderOptions rendering,
    boolean raw,
    Optional<String> system,
    ReasoningFilter.Mode reasoning,
    SamplingParams sampling,
    int maxTokens,
    List<String> stop,
    List<String> endOfTurn,
    boolean ignoreEos) {

  /**
   * What tokens of answers mean.
   *
   * @param switchesThinking whether the model can be asked to think or not
   */
  public record Reading(OutputFormat format, Tokenizer tokenizer, boolean switchesThinking) {}

  /**
   * Of an engine, whose answers are the best tokens unless a request says otherwise.
   *
   * @throws dev.yuzui.engine.api.EngineException if the model's chat template cannot be read
   */
  public static ServedModel of(Engine engine) {
    return of(engine, engine.chatTemplate());
  }

  public static ServedModel of(Engine engine, Optional<ChatTemplate> template) {
    return new ServedModel(
        engine.config().name(),
        engine.config().vocabSize(),
        prompt -> encode(engine, prompt),
        template.map(t -> t::render),
        template.map(ChatTemplate::name),
        engine.hasTokenizer()
            ? Optional.of(
                new Reading(
                    template.map(ChatTemplate::format).orElse(OutputFormat.PLAIN),
                    engine.tokenizer(),
                    template.map(ChatTemplate::switchesThinking).orElse(false)))
            : Optional.empty(),
        RenderOptions.ANSWER,
        false,
        Optional.empty(),
        ReasoningFilter.Mode.SHOW,
        SamplingParams.GREEDY,
        -1,
        List.of(),
        List.of(),
        false);
  }

  /**
   * The same; where there is no template, conversations are a text that goes on, as in {@link
   * PlainChat}. As of a template that does not ask for it, nothing becomes of {@code
   * reasoning_effort}.
   */
  public ServedModel continuing() {
    if (template.isPresent()) {
      return this;
    }
    BiFunction<List<Message>, RenderOptions, Prompt> render =
        (messages, how) -> {
          Set<String> asked = new HashSet<>(how.variables().keySet());
          asked.remove(RequestParser.REASONING_EFFORT);
          if (!asked.isEmpty() || how.thinking().isPresent()) {
            throw RequestProblem.request(
                (asked.contains("tools") ? "tools" : "chat_template_kwargs")
                    + ": this model has no chat template to put them in; leave them out");
          }
          return PlainChat.render(messages);
        };
    return RecordCopy.with(
        RecordCopy.with(this, "template", Optional.of(render)),
        "endOfTurn",
        List.of(PlainChat.PARAGRAPH));
  }

  /** Under another name. */
  public ServedModel withName(String other) {
    return RecordCopy.with(this, "name", other);
  }

  /**
   * @param raw plain prompts go to the model as they are
   * @param system for conversations that begin without one
   */
  public ServedModel with(
      RenderOptions how, boolean raw, Optional<String> system, ReasoningFilter.Mode reasoning) {
    ServedModel rendered = RecordCopy.with(RecordCopy.with(this, "rendering", how), "raw", raw);
    return RecordCopy.with(RecordCopy.with(rendered, "system", system), "reasoning", reasoning);
  }

  /** What requests ask for that say nothing of it. */
  public ServedModel with(
      SamplingParams sampling, int maxTokens, List<String> stop, boolean ignoreEos) {
    ServedModel sampled = RecordCopy.with(this, "sampling", sampling);
    ServedModel ending =
        RecordCopy.with(RecordCopy.with(sampled, "stop", stop), "ignoreEos", ignoreEos);
    return RecordCopy.with(ending, "maxTokens", maxTokens);
  }

  private static int[] encode(Engine engine, Prompt prompt) {
    if (!engine.hasTokenizer()) {
      throw RequestProblem.field(
          "prompt", "token ids, for this model has no tokenizer", Texts.shorten(prompt.text()));
    }
    return engine.tokenizer().encode(prompt);
  }

  /**
   * The prompt of a conversation.
   *
   * @param how {@link #rendering}, and what else the request says
   * @param kwargs the request's {@code chat_template_kwargs}
   */
  Prompt render(List<Message> messages, RenderOptions how, Map<String, Object> kwargs) {
    BiFunction<List<Message>, RenderOptions, Prompt> render =
        template.orElseThrow(
            () ->
                RequestProblem.request(
                    "messages: this model has no chat template to put them in; name one with"
                        + " --chat-template, or send a prompt"));
    List<Message> all = new ArrayList<>();
    if (messages.isEmpty() || !messages.getFirst().role().equals("system")) {
      system.ifPresent(text -> all.add(Message.system(text)));
    }
    all.addAll(messages);
    try {
      return render.apply(all, how.withKwargs(kwargs));
    } catch (IllegalArgumentException e) {
      throw RequestProblem.request("chat_template_kwargs: " + e.getMessage());
    }
  }
}
