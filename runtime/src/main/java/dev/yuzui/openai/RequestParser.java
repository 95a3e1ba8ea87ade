package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.openai.ParsedRequest.Kind;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.RenderOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Makes generation requests of a request's fields, which are those of the OpenAI interface and some
 * that other servers have added to it. What cannot be done is refused, not passed over.
 */
public record RequestParser(ServedModel model) {
  static final String REASONING_EFFORT = "reasoning_effort";

  /** Answers to a request at most. */
  public static final int MAX_CHOICES = 128;

  private static final Set<String> COMMON =
      Set.of(
          "model",
          "max_tokens",
          "temperature",
          "top_p",
          "top_k",
          "min_p",
          "presence_penalty",
          "frequency_penalty",
          "repetition_penalty",
          "logit_bias",
          "n",
          "seed",
          "stop",
          "ignore_eos",
          "stream",
          "logprobs",
          "response_format");
  private static final Set<String> CHAT =
      Set.of(
          "messages",
          "max_completion_tokens",
          "top_logprobs",
          "tools",
          "tool_choice",
          "functions",
          "function_call",
          "parallel_tool_calls",
          REASONING_EFFORT,
          "chat_template_kwargs",
          "thinking");
  private static final Set<String> COMPLETION = Set.of("prompt", "best_of", "echo", "suffix");

  /** They change nothing here. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "user",
          "metadata",
          "store",
          "service_tier",
          "safety_identifier",
          "prompt_cache_key",
          "prompt_cache_retention",
          "stream_options",
          "return_progress",
          "cache_prompt",
          "verbosity",
          "prediction");

  private static final List<String> EFFORTS =
      List.of("none", "minimal", "low", "medium", "high", "xhigh", "max");

  /**
   * A prompt's token ids, and its text where it had one.
   *
   * @param calls that its conversation has
   */
  private record Encoded(List<Integer> ids, Optional<Prompt> text, int calls) {}

  /**
   * Of {@code /v1/chat/completions}.
   *
   * @throws RequestProblem if it cannot be met
   * @throws dev.yuzui.text.TextException if its messages suit no template
   */
  public ParsedRequest chat(RequestFields body) {
    body.requireKnown(List.of(COMMON, CHAT, ResponseForm.FIELDS, WITHOUT_EFFECT));
    RequestTools tools = RequestTools.of(body);
    return task(Kind.CHAT, body, List.of(conversation(body, tools)), tools);
  }

  /**
   * Of {@code /v1/completions}.
   *
   * @throws RequestProblem if it cannot be met
   */
  public ParsedRequest completion(RequestFields body) {
    body.requireKnown(List.of(COMMON, COMPLETION, ResponseForm.FIELDS, WITHOUT_EFFECT));
    return task(Kind.COMPLETION, body, prompts(body), RequestTools.of(body));
  }

  /**
   * Of no interface: a {@code prompt} or {@code messages}, answered once.
   *
   * @throws RequestProblem if it cannot be met
   */
  public ParsedRequest plain(RequestFields line) {
    line.requireKnown(
        List.of(
            COMMON, CHAT, COMPLETION, ResponseForm.FIELDS, WITHOUT_EFFECT, Set.of("custom_id")));
    if (line.has("prompt") == line.has("messages")) {
      throw RequestProblem.request(
          "expected {\"prompt\": …}, {\"messages\": …} or {\"custom_id\", \"method\", \"url\","
              + " \"body\"}, found "
              + (line.has("prompt") ? "both prompt and messages" : "none of them"));
    }
    boolean templated =
        line.object().path("prompt").isTextual() && !model.raw() && model.template().isPresent();
    if (!templated && !line.has("messages") && line.has("chat_template_kwargs")) {
      throw RequestProblem.field(
          "chat_template_kwargs", "messages beside it", "a prompt that goes through no template");
    }
    RequestTools tools = RequestTools.of(line);
    if (!templated && !line.has("messages") && !tools.declared().isEmpty()) {
      throw RequestProblem.field(
          "tools", "messages beside them", "a prompt that goes through no template");
    }
    List<Encoded> prompts =
        line.has("messages")
            ? List.of(conversation(line, tools))
            : templated
                ? List.of(
                    rendered(List.of(Message.user(line.text("prompt").orElseThrow())), line, tools))
                : prompts(line);
    ParsedRequest task = task(Kind.PLAIN, line, prompts, tools);
    if (task.choices() > 1) {
      throw RequestProblem.request(
          "prompt, n: expected one prompt and one answer, found "
              + task.choices()
              + "; make a request for each");
    }
    return task;
  }

  private ParsedRequest task(
      Kind kind, RequestFields body, List<Encoded> prompts, RequestTools tools) {
    body.refuse("best_of", "1", Set.of("1"));
    body.refuse("echo", "false", Set.of("false"));
    body.refuse("suffix", "none", Set.of("\"\""));
    int n = body.integer("n", 1, MAX_CHOICES).orElse(1);
    if (n * prompts.size() > MAX_CHOICES) {
      throw RequestProblem.request(
          "prompt, n: expected at most "
              + MAX_CHOICES
              + " answers to a request, found "
              + prompts.size()
              + " prompts × "
              + n
              + "; make more requests");
    }
    int limit =
        body.integer("max_completion_tokens", 1, Integer.MAX_VALUE)
            .or(() -> body.integer("max_tokens", 1, Integer.MAX_VALUE))
            .orElse(model.maxTokens());
    List<String> stop = new ArrayList<>(body.texts("stop").orElse(model.stop()));
    if (kind == Kind.CHAT) {
      stop.addAll(model.endOfTurn());
    }
    boolean ignoreEos = body.flag("ignore_eos").orElse(model.ignoreEos());
    SamplingParams sampling = sampling(kind, body);
    Optional<GrammarSource> form = ResponseForm.of(body);
    if (form.isPresent() || !tools.tools().isEmpty()) {
      requireText("response_format, tools");
    }
    Optional<Integer> logprobs = logprobs(kind, body);
    List<ParsedRequest.Prompt> asked = new ArrayList<>();
    for (Encoded prompt : prompts) {
      GenerateRequest request =
          GenerateRequest.of(prompt.ids())
              .withSampling(sampling.forAnswer(n * asked.size()))
              .withMaxTokens(limit)
              .withStop(stop)
              .withIgnoreEos(ignoreEos);
      Optional<Constraint> constraint = constraint(form, tools, prompt);
      request = constraint.map(request::withConstraint).orElse(request);
      request = logprobs.map(request::withLogprobs).orElse(request);
      asked.add(new ParsedRequest.Prompt(request, prompt.text(), tools.tools(), prompt.calls()));
    }
    return new ParsedRequest(kind, asked, n);
  }

  private Optional<Constraint> constraint(
      Optional<GrammarSource> form, RequestTools tools, Encoded prompt) {
    return Constraint.of(
        form,
        model.reading().map(ServedModel.Reading::format).orElse(OutputFormat.PLAIN),
        tools.tools(),
        tools.choice(),
        tools.several(),
        prompt.text().map(OutputFormat::opening).orElse(OutputFormat.Opening.ANSWERING));
  }

  private void requireText(String field) {
    if (model.reading().isEmpty()) {
      throw RequestProblem.field(field, "none of them", "some, and this model has no tokenizer");
    }
  }

  /**
   * How many of the best tokens are told beside each that was drawn: in chats by a flag and a
   * number, in completions by a number; empty tells nothing.
   */
  private Optional<Integer> logprobs(Kind kind, RequestFields body) {
    Optional<Integer> top = body.integer("top_logprobs", 0, TokenLogprobs.MOST);
    Optional<Integer> asked =
        kind == Kind.COMPLETION
                || body.get("logprobs").filter(JsonNode::isNumber).isPresent() && kind == Kind.PLAIN
            ? body.integer("logprobs", 0, TokenLogprobs.MOST)
            : body.flag("logprobs").filter(wanted -> wanted).map(_ -> top.orElse(0));
    if (top.orElse(0) > 0 && asked.isEmpty()) {
      throw RequestProblem.field("top_logprobs", "\"logprobs\": true beside it", "none");
    }
    if (asked.isPresent()) {
      requireText("logprobs");
    }
    return asked;
  }

  /** The OpenAI interface knows no window: its penalties look at whole answers. */
  private SamplingParams sampling(Kind kind, RequestFields body) {
    SamplingParams base = model.sampling();
    if (kind != Kind.PLAIN) {
      base =
          base.withCounted(Counted.GENERATED)
              .withPenalties(
                  base.penalties().repeat(),
                  -1,
                  base.penalties().presence(),
                  base.penalties().frequency());
    }
    try {
      SamplingParams params =
          base.withTemperature(body.number("temperature", 0, 1e6).orElse(base.temperature()))
              .withTopP(body.number("top_p", Double.MIN_VALUE, 1).orElse(base.topP()))
              .withMinP(body.number("min_p", 0, 1).orElse(base.minP()))
              .withTopK(
                  Math.max(0, body.integer("top_k", -1, Integer.MAX_VALUE).orElse(base.topK())))
              .withPenalties(
                  body.number("repetition_penalty", Double.MIN_VALUE, 1e6)
                      .orElse(base.penalties().repeat()),
                  base.penalties().lastN(),
                  body.number("presence_penalty", -1e6, 1e6).orElse(base.penalties().presence()),
                  body.number("frequency_penalty", -1e6, 1e6).orElse(base.penalties().frequency()))
              .withLogitBias(
                  body.logitBias("logit_bias", model.vocabulary()).orElse(base.logitBias()));
      return body.seed("seed").map(params::withSeed).orElse(params);
    } catch (IllegalArgumentException e) {
      throw RequestProblem.request(e.getMessage());
    }
  }

  private Encoded encoded(Prompt text, int calls) {
    List<Integer> ids = Arrays.stream(model.encode().apply(text)).boxed().toList();
    if (ids.isEmpty()) {
      throw RequestProblem.field("prompt", "a text", "an empty one, and this model has no BOS");
    }
    return new Encoded(ids, Optional.of(text), calls);
  }

  /** A text, token ids, or an array of either. */
  private List<Encoded> prompts(RequestFields body) {
    JsonNode node =
        body.get("prompt")
            .orElseThrow(() -> RequestProblem.field("prompt", "a text or token ids", "none"));
    boolean several = node.isArray() && !node.isEmpty() && !node.get(0).isNumber();
    if (several && node.size() > MAX_CHOICES) {
      throw RequestProblem.field("prompt", "at most " + MAX_CHOICES + " prompts", "" + node.size());
    }
    List<Encoded> prompts = new ArrayList<>();
    for (JsonNode each : several ? node : List.of(node)) {
      prompts.add(each.isTextual() ? encoded(Prompt.template(each.textValue()), 0) : tokens(each));
    }
    return prompts;
  }

  private Encoded tokens(JsonNode array) {
    List<Integer> ids = new ArrayList<>();
    for (JsonNode id : array) {
      if (!id.isInt() || id.intValue() < 0 || id.intValue() >= model.vocabulary()) {
        throw RequestProblem.field(
            "prompt", "token ids below " + model.vocabulary(), id.toString());
      }
      ids.add(id.intValue());
    }
    if (!array.isArray() || ids.isEmpty()) {
      throw RequestProblem.field(
          "prompt", "a text, token ids, or an array of either", array.toString());
    }
    return new Encoded(ids, Optional.empty(), 0);
  }

  private Encoded conversation(RequestFields body, RequestTools tools) {
    return rendered(RequestMessages.of(body), body, tools);
  }

  private Encoded rendered(List<Message> messages, RequestFields body, RequestTools tools) {
    Map<String, Object> kwargs = body.map("chat_template_kwargs").orElse(Map.of());
    if (!tools.declared().isEmpty() && kwargs.containsKey("tools")) {
      throw RequestProblem.field("chat_template_kwargs", "no tools beside tools", "some");
    }
    RenderOptions how = model.rendering().withVariables(tools.variables());
    Optional<String> effort = body.text(REASONING_EFFORT);
    if (effort.isPresent()) {
      how = effort(how, effort.get());
    }
    Optional<JsonNode> thinking = body.get("thinking");
    if (thinking.isPresent()) {
      how = thinking(how, thinking.get());
    }
    return encoded(model.render(messages, how, kwargs), OutputFormat.calls(messages));
  }

  /** As the DeepSeek interface has it: {@code {"type": "enabled" | "disabled"}}. */
  private RenderOptions thinking(RenderOptions how, JsonNode node) {
    boolean thinks =
        switch (node.path("type").asText()) {
          case "enabled" -> true;
          case "disabled" -> false;
          default ->
              throw RequestProblem.field(
                  "thinking", "{\"type\": \"enabled\" or \"disabled\"}", node.toString());
        };
    boolean switches = model.reading().map(ServedModel.Reading::switchesThinking).orElse(false);
    if (!switches && !thinks) {
      throw RequestProblem.field(
          "thinking", "a model that can be asked not to think", "another; leave it out");
    }
    return switches ? how.withThinking(thinks) : how;
  }

  /** Whether a model thinks; how much is for its template to say, where that can. */
  private RenderOptions effort(RenderOptions how, String effort) {
    if (!EFFORTS.contains(effort)) {
      throw RequestProblem.field(REASONING_EFFORT, "one of " + EFFORTS, effort);
    }
    boolean thinks = !effort.equals("none");
    boolean switches = model.reading().map(ServedModel.Reading::switchesThinking).orElse(false);
    if (!switches && !thinks) {
      throw RequestProblem.field(
          REASONING_EFFORT, "a model that can be asked not to think", "another; leave it out");
    }
    RenderOptions told = how.withVariables(Map.of(REASONING_EFFORT, effort));
    return switches ? told.withThinking(thinks) : told;
  }
}
