package dev.yuzui.langchain4j;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.JsonLayout;
import dev.yuzui.io.Json;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputParser;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.RenderOptions;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** An engine and how it is asked: what LangChain4j's requests are to it. */
record Served(Engine engine, Dialogue dialogue, ChatModelOptions options) {
  /**
   * @throws dev.yuzui.engine.api.EngineException if the model has no tokenizer
   */
  static Served of(Engine engine, ChatModelOptions options) {
    engine.tokenizer(); // says what is missing
    Dialogue dialogue = Dialogue.of(engine, options.template().or(engine::chatTemplate));
    Served served = new Served(engine, dialogue, options);
    served.requireSupported(options.parameters());
    return served;
  }

  /**
   * @throws UnsupportedFeatureException for what no engine can do, or not this model
   */
  void requireSupported(ChatRequestParameters parameters) {
    String name = engine.config().name();
    if (parameters.modelName() != null && !parameters.modelName().equals(name)) {
      throw new UnsupportedFeatureException(
          "modelName: expected none or '"
              + name
              + "', found '"
              + parameters.modelName()
              + "'; other models are not supported by this engine");
    }
    if (parameters instanceof YuzuiChatRequestParameters more
        && more.thinking().isPresent()
        && !dialogue.switchesThinking()) {
      throw new UnsupportedFeatureException(
          "thinking: expected none, for whether this model thinks cannot be chosen, found "
              + more.thinking().get()
              + "; it is not supported");
    }
    RenderOptions shown =
        showsTools(parameters)
            ? RenderOptions.ANSWER.withVariables(Map.of("tools", List.of()))
            : RenderOptions.ANSWER;
    if (parameters instanceof YuzuiChatRequestParameters more) {
      try {
        shown = shown.withKwargs(more.templateVariables());
      } catch (IllegalArgumentException _) {
        return; // no template could have it; ask() says so
      }
    }
    dialogue.requirePlace(shown);
  }

  private static boolean showsTools(ChatRequestParameters parameters) {
    return parameters.toolChoice() != dev.langchain4j.model.chat.request.ToolChoice.NONE
        && !parameters.toolSpecifications().isEmpty();
  }

  /** Begins to answer. */
  Asked ask(ChatRequest request) {
    ChatRequestParameters parameters = request.parameters();
    YuzuiChatRequestParameters more =
        YuzuiChatRequestParameters.builder().overrideWith(parameters).build();
    List<Message> messages = Turns.of(request.messages());
    List<Tool> tools = tools(parameters);
    Prompt prompt = dialogue.render(messages, rendering(more, tools));
    List<Integer> ids = Arrays.stream(engine.tokenizer().encode(prompt)).boxed().toList();
    GenerateRequest asked =
        GenerateRequest.of(ids)
            .withSampling(sampling(more))
            .withMaxTokens(parameters.maxOutputTokens() == null ? -1 : parameters.maxOutputTokens())
            .withStop(
                Stream.concat(parameters.stopSequences().stream(), dialogue.stops().stream())
                    .toList());
    asked = more.timeout().map(asked::withTimeout).orElse(asked);
    asked = constraint(more, tools, prompt).map(asked::withConstraint).orElse(asked);
    OutputParser parser =
        dialogue.format().parser(engine.tokenizer(), prompt, tools, OutputFormat.calls(messages));
    return new Asked(engine.generate(asked), parser, ids.size(), engine.config().name());
  }

  private static RenderOptions rendering(YuzuiChatRequestParameters asked, List<Tool> tools) {
    RenderOptions how = RenderOptions.ANSWER;
    if (!tools.isEmpty()) {
      how = how.withVariables(Map.of("tools", tools.stream().map(Tool::declaration).toList()));
    }
    how = how.withKwargs(asked.templateVariables());
    return asked.thinking().map(how::withThinking).orElse(how);
  }

  private static List<Tool> tools(ChatRequestParameters parameters) {
    if (!showsTools(parameters)) {
      return List.of();
    }
    return Tool.all(parameters.toolSpecifications().stream().map(Served::declaration).toList());
  }

  private static Map<String, Object> declaration(ToolSpecification tool) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", tool.name());
    Optional.ofNullable(tool.description()).ifPresent(text -> function.put("description", text));
    Optional.ofNullable(tool.parameters())
        .ifPresent(schema -> function.put("parameters", Schemas.of(schema)));
    Optional.ofNullable(tool.strict()).ifPresent(strict -> function.put("strict", strict));
    Map<String, Object> declaration = new LinkedHashMap<>();
    declaration.put("type", "function");
    declaration.put("function", function);
    return declaration;
  }

  private Optional<Constraint> constraint(
      YuzuiChatRequestParameters asked, List<Tool> tools, Prompt prompt) {
    ToolChoice choice =
        switch (asked.toolChoice()) {
          case null -> new ToolChoice.Auto();
          case AUTO -> new ToolChoice.Auto();
          case REQUIRED -> new ToolChoice.Required();
          case NONE -> new ToolChoice.None();
        };
    if (choice instanceof ToolChoice.Required && tools.isEmpty()) {
      throw new IllegalArgumentException(
          "toolChoice: expected tools beside REQUIRED, found none of them");
    }
    return Constraint.of(
        form(asked),
        dialogue.format(),
        tools,
        choice,
        asked.parallelToolCalls().orElse(true),
        OutputFormat.opening(prompt));
  }

  private static Optional<GrammarSource> form(YuzuiChatRequestParameters asked) {
    ResponseFormat format = asked.responseFormat();
    if (format == null || format.type() == ResponseFormatType.TEXT) {
      return asked.grammar().map(source -> new GrammarSource.Named("grammar", source));
    }
    if (asked.grammar().isPresent()) {
      throw new IllegalArgumentException(
          "responseFormat, grammar: expected one of them, found both");
    }
    GrammarSource source =
        format.jsonSchema() == null
            ? new GrammarSource.JsonObject(JsonLayout.SPACED)
            : new GrammarSource.JsonSchema(
                Json.compact(Schemas.closed(format.jsonSchema().rootElement())));
    return Optional.of(new GrammarSource.Named("responseFormat", source));
  }

  /** Penalties are OpenAI's: of all that the answer has so far. */
  private SamplingParams sampling(YuzuiChatRequestParameters asked) {
    SamplingParams base = options.sampling().withCounted(Counted.GENERATED);
    SamplingParams params =
        base.withTemperature(or(asked.temperature(), base.temperature()))
            .withTopP(or(asked.topP(), base.topP()))
            .withTopK(asked.topK() == null ? base.topK() : Math.max(0, asked.topK()))
            .withMinP(asked.minP().orElse(base.minP()))
            .withPenalties(
                asked.repetitionPenalty().orElse(base.penalties().repeat()),
                -1,
                or(asked.presencePenalty(), base.penalties().presence()),
                or(asked.frequencyPenalty(), base.penalties().frequency()));
    return asked.seed().map(params::withSeed).orElse(params);
  }

  /** LangChain4j's null says nothing. */
  private static double or(Double asked, double otherwise) {
    return asked == null ? otherwise : asked;
  }
}
