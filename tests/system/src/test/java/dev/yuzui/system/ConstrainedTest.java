package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.JsonLayout;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The embedded model, which has never seen JSON, answers in the form that it is held to. */
class ConstrainedTest {
  private static final Path DEMO =
      Path.of(System.getProperty("yuzui.root"), "seeds").resolve("demo.gguf");

  private static final JsonSchema WOLF =
      new JsonSchema(
          """
          {"type": "object",
           "properties": {
             "animal": {"enum": ["wolf", "fox", "goat"]},
             "age": {"type": "integer", "minimum": 1, "maximum": 99},
             "tame": {"type": "boolean"},
             "friends": {"type": "array", "items": {"type": "string", "maxLength": 12},
                         "maxItems": 3}},
           "required": ["animal", "age", "tame"], "additionalProperties": false}
          """,
          JsonLayout.COMPACT);

  private static final SamplingParams WARM =
      SamplingParams.DEFAULT.withTemperature(1.2).withTopK(20);

  static Stream<String> backends() {
    return UnderTest.backends();
  }

  /** Plain loops and simulated devices take their time. */
  private static int seeds(String backend) {
    return backend.equals("cpu") ? 3 : 1;
  }

  private static RuntimeOptions options(String backend) {
    return UnderTest.on(
        backend,
        RuntimeOptions.of(DEMO)
            .withThreads(2)
            .withContextLength(256)
            .withMaxSequences(4)
            .withCacheEncoding(Encoding.F32));
  }

  private static Engine open(RuntimeOptions options) {
    return Engine.open(options, LoadProgress.none());
  }

  private static GenerateRequest request(Engine engine, GrammarSource source) {
    return GenerateRequest.of(engine.tokenizer().encode("Once upon a time there was", true))
        .withMaxTokens(120)
        .withGrammar(source);
  }

  private static String text(Engine engine, GenerateRequest request) {
    GenerationResult result = engine.generate(request).await();
    assertEquals(FinishReason.STOP, result.finish(), result.text());
    return result.text();
  }

  private static void requireWolf(String text) {
    try {
      JsonNode node = new ObjectMapper().readTree(text);
      assertTrue(Set.of("wolf", "fox", "goat").contains(node.get("animal").asText()), text);
      assertTrue(node.get("age").isInt() && node.get("age").asInt() >= 1, text);
      assertTrue(node.get("age").asInt() <= 99 && node.get("tame").isBoolean(), text);
      assertTrue(node.path("friends").size() <= 3, text);
    } catch (IOException e) {
      throw new AssertionError(text, e);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aSchemaIsKept(String backend) {
    try (Engine engine = open(options(backend))) {
      requireWolf(text(engine, request(engine, WOLF).withSampling(SamplingParams.GREEDY)));
      for (int seed = 0; seed < seeds(backend); seed++) {
        requireWolf(text(engine, request(engine, WOLF).withSampling(WARM.withSeed(seed))));
      }
    }
  }

  @Test
  void soAreTheOtherNotations() {
    try (Engine engine = open(options("cpu"))) {
      assertTrue(
          Set.of("yes", "no")
              .contains(text(engine, request(engine, new Choices(List.of("yes", "no"))))));
      assertTrue(
          text(engine, request(engine, new Pattern("[A-Z][a-z]{2,8}, \\d{4}")))
              .matches("[A-Z][a-z]{2,8}, \\d{4}"));
      assertTrue(
          text(engine, request(engine, new Gbnf("root ::= \"a\" [bc]{1,3} (\"d\" | \"e\")")))
              .matches("a[bc]{1,3}[de]"));
    }
  }

  /** A bias of nothing makes the sampler look at whole rows. */
  @ParameterizedTest
  @MethodSource("backends")
  void candidatesPickedOnTheDeviceGiveTheTextOfWholeRows(String backend) {
    try (Engine engine = open(options(backend))) {
      for (SamplingParams params : List.of(SamplingParams.GREEDY, WARM.withSeed(5))) {
        GenerateRequest candidates = request(engine, WOLF).withSampling(params);
        assertEquals(
            text(engine, candidates.withSampling(params.withLogitBias(Map.of(0, 0f)))),
            text(engine, candidates));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void guessesDoNotChangeTheText(String backend) {
    List<String> texts = new ArrayList<>();
    for (Speculation how :
        List.of(
            Speculation.NONE,
            new Speculation(Speculation.Drafts.NGRAM, 4, 0),
            new Speculation(Speculation.Drafts.MTP, 2, 0))) {
      try (Engine engine = open(options(backend).withSpeculation(how))) {
        for (boolean drafts : new boolean[] {false, true}) {
          StringBuilder all = new StringBuilder();
          int guessed = 0;
          for (int seed = 0; seed < seeds(backend); seed++) {
            GenerateRequest request = request(engine, WOLF).withSampling(WARM.withSeed(seed));
            GenerationResult result = engine.generate(request.withDrafts(drafts)).await();
            all.append(result.text());
            guessed += result.speculative().draftTokens();
          }
          texts.add(all.toString());
          assertEquals(drafts, guessed > 0, how.drafts().toString());
        }
      }
    }
    assertEquals(1, Set.copyOf(texts).size(), texts.toString());
  }

  /** Answers at the same time, each held to something else, or to nothing. */
  @ParameterizedTest
  @MethodSource("backends")
  void othersInTheStepDoNotMatter(String backend) {
    try (Engine engine = open(options(backend))) {
      GenerateRequest free =
          GenerateRequest.of(engine.tokenizer().encode("The old man said", true))
              .withSampling(WARM.withSeed(3))
              .withMaxTokens(40);
      GenerateRequest wolf = request(engine, WOLF).withSampling(WARM.withSeed(1));
      GenerateRequest choice =
          request(engine, new Choices(List.of("a wolf in the forest", "a fox")))
              .withSampling(SamplingParams.GREEDY);
      List<GenerateRequest> requests = List.of(free, wolf, choice);
      List<String> alone = requests.stream().map(r -> engine.generate(r).await().text()).toList();
      List<Generation> started = requests.stream().map(engine::generate).toList();
      assertEquals(alone, started.stream().map(g -> g.await().text()).toList());
    }
  }

  @Test
  void eachOfSeveralAnswersIsHeldApart() {
    try (Engine engine = open(options("cpu"))) {
      GenerateRequest request = request(engine, WOLF).withSampling(WARM.withSeed(10));
      List<Generation> answers = engine.generate(request, 4);
      for (int i = 0; i < 4; i++) {
        String text = answers.get(i).await().text();
        requireWolf(text);
        assertEquals(text(engine, request.withSampling(WARM.withSeed(10 + i))), text);
      }
    }
  }

  /**
   * As behind the end of thinking; the token in which the mark ends goes on as the grammar does.
   */
  @Test
  void theTextBeforeTheMarkIsFree() {
    try (Engine engine = open(options("cpu"))) {
      for (int seed = 0; seed < 6; seed++) {
        GenerateRequest request =
            request(engine, new Choices(List.of(" The end", " Good night")))
                .withConstraint(
                    new Constraint(
                        new Choices(List.of(" The end", "\n\nGood night")),
                        new Constraint.Behind(".", false)))
                .withSampling(WARM.withSeed(seed));
        String text = text(engine, request);
        assertTrue(text.matches("[^.]*\\.( The end|\n\nGood night)"), text);
        assertEquals(text, text(engine, request.withDrafts(false)));
      }
    }
  }

  /** Where it may end without a mark it is what it would be. */
  @Test
  void anAnswerThatNeverNeedsItsGrammarIsTheFreeOne() {
    try (Engine engine = open(options("cpu"))) {
      GenerateRequest free = request(engine, WOLF).withMaxTokens(30).withSampling(WARM.withSeed(2));
      GenerateRequest unmarked =
          free.withConstraint(new Constraint(WOLF, new Constraint.Behind("<tool_call>", true)));
      GenerateRequest plain =
          GenerateRequest.of(engine.tokenizer().encode("Once upon a time there was", true))
              .withMaxTokens(30)
              .withSampling(WARM.withSeed(2));
      assertEquals(
          engine.generate(plain).await().tokens(), engine.generate(unmarked).await().tokens());
    }
  }

  @Test
  void whatCannotBeCompiledFailsItsRequestAlone() {
    try (Engine engine = open(options("cpu"))) {
      Generation bad =
          engine.generate(request(engine, new JsonSchema("{\"items\": {\"type\": \"strong\"}}")));
      requireWolf(text(engine, request(engine, WOLF)));
      String message = assertThrows(EngineException.class, bad::await).getMessage();
      assertTrue(message.contains("'/items/type'"), message);
      GenerateRequest barred =
          request(engine, new Choices(List.of("\u0001")))
              .withSampling(
                  SamplingParams.GREEDY.withLogitBias(
                      Map.of(id(engine, 1), Float.NEGATIVE_INFINITY)));
      assertThrows(EngineException.class, () -> engine.generate(barred).await());
      requireWolf(text(engine, request(engine, WOLF)));
    }
  }

  private static int id(Engine engine, int value) {
    for (int id = 0; id < engine.tokenizer().size(); id++) {
      byte[] bytes = engine.tokenizer().bytes(id);
      if (bytes.length == 1 && bytes[0] == value && !engine.tokenizer().isSpecial(id)) {
        return id;
      }
    }
    throw new AssertionError("no token of byte " + value);
  }

  @Test
  void cancellingWhileTheGrammarIsCompiledIsHeard() {
    try (Engine engine = open(options("cpu"))) {
      Generation generation = engine.generate(request(engine, WOLF).withMaxTokens(-1));
      generation.cancel();
      GenerationResult result = generation.await();
      assertFalse(result.finish() == FinishReason.LENGTH, result.toString());
    }
  }

  /** Takes its time to compile. */
  private static GrammarSource slow(int one) {
    return new Choices(
        IntStream.range(0, 20_000).mapToObj(i -> "story " + one + " of " + i * 7919).toList());
  }

  /** Whose time is up, or who is cancelled, does not wait for the grammars of others. */
  @Test
  void aTimeLimitHoldsWhileTheGrammarIsCompiled() {
    try (Engine engine = open(options("cpu"))) {
      List<Generation> ahead =
          IntStream.range(0, 30).mapToObj(i -> engine.generate(request(engine, slow(i)))).toList();
      Generation late =
          engine.generate(request(engine, slow(30)).withTimeout(Duration.ofMillis(1)));
      CompletableFuture<Boolean> turn =
          late.result().thenApply(_ -> ahead.getLast().result().isDone());
      Generation left = engine.generate(request(engine, slow(31)));
      left.cancel();
      assertTrue(left.result().isDone(), "cancelled");
      assertFalse(ahead.getLast().result().isDone(), "before its turn");
      assertEquals(FinishReason.TIMEOUT, late.await().finish());
      assertFalse(turn.join(), "it waited for its turn");
      ahead.forEach(Generation::cancel);
      assertEquals(FinishReason.CANCELLED, ahead.getLast().await().finish());
      assertEquals(FinishReason.CANCELLED, left.await().finish());
    }
  }

  private static final List<Tool> TOOLS =
      Tool.all(
          List.of(
              Map.of(
                  "type",
                  "function",
                  "function",
                  Map.of(
                      "name",
                      "hunt",
                      "parameters",
                      Map.of(
                          "type",
                          "object",
                          "properties",
                          Map.of(
                              "animal", Map.of("type", "string", "enum", List.of("wolf", "fox")),
                              "count", Map.of("type", "integer", "minimum", 1, "maximum", 9)),
                          "required",
                          List.of("animal", "count")))),
              Map.of("name", "rest")));

  /** What the model makes of a request that must call; whole, and as its schema says. */
  private static OutputMessage called(Engine engine, OutputFormat format, long seed) {
    Prompt prompt = Prompt.literal("The hunter went into the forest");
    ToolChoice choice = seed % 2 == 0 ? new ToolChoice.Named("hunt") : new ToolChoice.Required();
    List<Tool> callable = seed % 2 == 0 ? TOOLS.subList(0, 1) : TOOLS;
    GenerateRequest request =
        GenerateRequest.of(engine.tokenizer().encode(prompt))
            .withSampling(WARM.withSeed(seed))
            .withConstraint(
                Constraint.of(
                        Optional.empty(),
                        format,
                        callable,
                        choice,
                        false,
                        OutputFormat.opening(prompt))
                    .orElseThrow());
    GenerationResult result = engine.generate(request).await();
    assertEquals(FinishReason.STOP, result.finish(), result.text());
    OutputMessage message =
        format
            .parser(engine.tokenizer(), prompt, callable, 0)
            .message(result.tokens(), result.text());
    assertEquals(1, message.calls().size(), result.text());
    assertEquals(Optional.empty(), message.content(), result.text());
    return message;
  }

  private static void requireHunt(OutputMessage.Call call) {
    assertTrue(call.whole());
    try {
      JsonNode arguments = new ObjectMapper().readTree(call.arguments());
      if (call.name().equals("hunt")) {
        assertTrue(Set.of("wolf", "fox").contains(arguments.path("animal").asText()));
        int count = arguments.path("count").asInt();
        assertTrue(arguments.path("count").isInt() && count >= 1 && count <= 9);
        assertEquals(2, arguments.size());
      } else {
        assertEquals("rest", call.name());
        assertEquals(0, arguments.size());
      }
    } catch (IOException | AssertionError e) {
      throw new AssertionError(call.toString(), e);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aCallThatIsRequiredIsMadeAndValid(String backend) {
    try (Engine engine = open(options(backend))) {
      for (int seed = 0; seed < 1 + seeds(backend); seed++) {
        requireHunt(called(engine, OutputFormat.PLAIN, seed).calls().getFirst());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void soItIsAsEveryFamilyWritesIt(OutputFormat format) {
    try (Engine engine = open(options("cpu"))) {
      for (int seed = 0; seed < 4; seed++) {
        requireHunt(called(engine, format, seed).calls().getFirst());
      }
    }
  }

  /** The model's own distribution, whatever the grammar made of it. */
  @ParameterizedTest
  @MethodSource("backends")
  void probabilitiesAreTheModels(String backend) {
    try (Engine engine = open(options(backend))) {
      GenerateRequest request =
          request(engine, new Choices(List.of("yes", "no")))
              .withSampling(SamplingParams.GREEDY)
              .withLogprobs(5);
      GenerationResult held = engine.generate(request).await();
      assertEquals(held.tokens().size(), held.logprobs().size());
      for (int i = 0; i < held.tokens().size(); i++) {
        TokenLogprobs told = held.logprobs().get(i);
        assertEquals(held.tokens().get(i), told.drawn().token());
        assertEquals(5, told.top().size());
        assertTrue(told.top().getFirst().logprob() >= told.drawn().logprob());
        assertTrue(told.top().stream().mapToDouble(e -> Math.exp(e.logprob())).sum() <= 1 + 1e-9);
      }
      GenerateRequest free =
          GenerateRequest.of(request.prompt())
              .withSampling(SamplingParams.GREEDY)
              .withMaxTokens(1)
              .withLogprobs(5);
      GenerationResult alone = engine.generate(free).await();
      assertEquals(
          alone.logprobs().getFirst().top().getFirst().logprob(),
          held.logprobs().getFirst().top().getFirst().logprob(),
          1e-6);
    }
  }
}
