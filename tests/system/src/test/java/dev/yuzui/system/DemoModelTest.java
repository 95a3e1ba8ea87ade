package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Token;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.DeepseekConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The embedded model does what the float64 reference says it does: seeds/demo-expected.json,
 * written by scripts/make-golden.
 */
class DemoModelTest {
  private static final Path SEEDS = Path.of(System.getProperty("yuzui.root"), "seeds");

  static Stream<String> backends() {
    return UnderTest.backends();
  }

  private static Engine open(String backend) {
    return open(backend, true);
  }

  private static Engine open(String backend, boolean repack) {
    return Engine.open(
        UnderTest.on(
            backend,
            RuntimeOptions.of(SEEDS.resolve("demo.gguf"))
                .withThreads(2)
                .withContextLength(256)
                .withRepack(repack)
                .withCacheEncoding(Encoding.F32)),
        LoadProgress.none());
  }

  private static List<Integer> ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::asInt).toList();
  }

  /** With activations as they are: eight-bit ones choose another word now and then. */
  @ParameterizedTest
  @MethodSource("backends")
  void continuesThePromptAsTheReferenceDoes(String backend) throws IOException {
    JsonNode expected = new ObjectMapper().readTree(SEEDS.resolve("demo-expected.json").toFile());
    try (Engine engine = open(backend, false)) {
      int[] prompt = engine.tokenizer().encode(expected.get("prompt").asText(), true);
      assertEquals(ints(expected.get("tokens")), Arrays.stream(prompt).boxed().toList());
      List<Integer> greedy = ints(expected.get("greedy"));
      StringBuilder streamed = new StringBuilder();
      GenerateRequest request =
          GenerateRequest.of(prompt)
              .withSampling(SamplingParams.GREEDY)
              .withMaxTokens(greedy.size())
              .withIgnoreEos(true);
      GenerationResult result =
          engine.generate(request, (id, text) -> streamed.append(text)).await();
      assertEquals(greedy, result.tokens());
      assertEquals(result.text(), streamed.toString());
      assertEquals(
          engine.tokenizer().decode(greedy.stream().mapToInt(Integer::intValue).toArray(), true),
          result.text());
    }
  }

  @Test
  void theFilesAreThoseThatTheReadmeDescribes() throws Exception {
    String readme = Files.readString(SEEDS.resolve("README.md"));
    for (String name : List.of("demo.gguf", "demo-heldout.txt")) {
      byte[] file = Files.readAllBytes(SEEDS.resolve(name));
      String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file));
      String row = String.format(Locale.ROOT, "| `%s` | %,d | `%s` |", name, file.length, hash);
      assertTrue(readme.contains(row), "seeds/README.md: expected the row " + row);
    }
  }

  @Test
  void theSameSeedGivesTheSameTextOnAnyThreadCount() {
    List<String> texts = new ArrayList<>();
    for (int threads : new int[] {1, 2, 3}) {
      try (Engine engine =
          Engine.open(
              RuntimeOptions.of(SEEDS.resolve("demo.gguf"))
                  .withBackend("cpu")
                  .withThreads(threads)
                  .withContextLength(256),
              LoadProgress.none())) {
        texts.add(engine.generate(request(engine, 40, List.of(), 7)).await().text());
      }
    }
    assertEquals(texts.get(0), texts.get(1));
    assertEquals(texts.get(0), texts.get(2));
  }

  /** A bias of nothing makes the sampler look at whole rows. */
  @ParameterizedTest
  @MethodSource("backends")
  void candidatesPickedOnTheDeviceGiveTheTokensOfWholeRows(String backend) {
    try (Engine engine = open(backend)) {
      for (SamplingParams params :
          List.of(
              SamplingParams.GREEDY,
              SamplingParams.DEFAULT,
              SamplingParams.DEFAULT.withTopK(100).withMinP(0).withTypicalP(0.9),
              SamplingParams.DEFAULT.withTemperature(2).withTopP(1))) {
        for (int seed = 0; seed < 4; seed++) {
          SamplingParams candidates = params.withSeed(seed);
          SamplingParams rows = candidates.withLogitBias(Map.of(0, 0f));
          assertTrue(candidates.candidates() > 0 && rows.candidates() == 0);
          assertEquals(tokens(engine, rows), tokens(engine, candidates), () -> "" + rows);
        }
      }
    }
  }

  private static List<Integer> tokens(Engine engine, SamplingParams params) {
    return engine
        .generate(
            GenerateRequest.of(prompt(engine))
                .withSampling(params)
                .withMaxTokens(12)
                .withIgnoreEos(true))
        .await()
        .tokens();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sequencesThatDecodeTogetherDecodeWhatEachDoesAlone(String backend) {
    RuntimeOptions options =
        RuntimeOptions.of(SEEDS.resolve("demo.gguf"))
            .withThreads(2)
            .withContextLength(64)
            .withCacheEncoding(Encoding.F32)
            .withMaxSequences(3);
    try (Engine engine = Engine.open(UnderTest.on(backend, options), LoadProgress.none());
        Session a = engine.newSession();
        Session b = engine.newSession();
        Session c = engine.newSession()) {
      List<Session> sessions = List.of(a, b, c);
      int[] prompt = prompt(engine).stream().mapToInt(Integer::intValue).toArray();
      for (int i = 0; i < 3; i++) {
        sessions.get(i).prefill(Arrays.copyOf(prompt, 3 + 2 * i));
      }
      int[] together = {5, 77, 300};
      int[] alone = together.clone();
      List<List<Integer>> texts = new ArrayList<>();
      for (int step = 0; step < 6; step++) {
        together = engine.decodeTogether(sessions, together);
        texts.add(Arrays.stream(together).boxed().toList());
      }
      for (int i = 0; i < 3; i++) {
        sessions.get(i).truncate(3 + 2 * i);
      }
      for (List<Integer> text : texts) {
        for (int i = 0; i < 3; i++) {
          alone[i] = sessions.get(i).decodeStep(alone[i]);
        }
        assertEquals(Arrays.stream(alone).boxed().toList(), text);
      }
      DeepseekConfig config = engine.config();
      assertEquals(
          Collections.nCopies(config.layers() - config.firstDense(), config.gate().used()),
          engine.countExperts(List.of(b), new int[] {9}),
          "one token goes to K experts of each layer that has experts");
    }
  }

  @Test
  void aPromptIsReadFromWhereItDiffersFromEarlierOnes() {
    try (Engine engine = open("cpu");
        Engine other = open("cpu")) {
      GenerationResult first = engine.generate(request(engine, 80, List.of(), 1)).await();
      List<Integer> longer = new ArrayList<>(prompt(engine));
      longer.addAll(first.tokens());
      longer.addAll(Arrays.stream(engine.tokenizer().encode(" And then", false)).boxed().toList());
      GenerateRequest next =
          GenerateRequest.of(longer).withSampling(SamplingParams.GREEDY).withMaxTokens(10);
      GenerationResult reused = engine.generate(next).await();
      GenerationResult anew = other.generate(next).await();
      assertEquals(anew.tokens(), reused.tokens());
      assertEquals(64, reused.timings().cachedTokens(), "one page");
      assertEquals(longer.size() - 64, reused.timings().promptTokens());
      assertEquals(0, anew.timings().cachedTokens());
    }
  }

  @Test
  void aStopTextEndsTheAnswerBeforeItself() {
    try (Engine engine = open("cpu")) {
      String all = engine.generate(request(engine, 60, List.of(), 3)).await().text();
      String stop = all.substring(20, 24);
      GenerationResult cut = engine.generate(request(engine, 60, List.of(stop), 3)).await();
      assertEquals(all.substring(0, all.indexOf(stop)), cut.text());
      assertEquals(FinishReason.STOP, cut.finish());
    }
  }

  @Test
  void aCancelledGenerationKeepsWhatItHas() {
    try (Engine engine = open("cpu")) {
      Generation generation = engine.generate(request(engine, 100, List.of(), 3));
      List<Token> seen;
      try (Stream<Token> tokens = generation.tokens()) {
        seen = tokens.limit(5).toList();
      }
      GenerationResult result = generation.await();
      assertEquals(FinishReason.CANCELLED, result.finish());
      assertEquals(seen.stream().map(Token::id).toList(), result.tokens().subList(0, 5));
      assertTrue(result.tokens().size() < 100, "it went on after it was cancelled");
    }
  }

  private static List<Integer> prompt(Engine engine) {
    return Arrays.stream(engine.tokenizer().encode("There was once a king", true)).boxed().toList();
  }

  private static GenerateRequest request(Engine engine, int tokens, List<String> stop, long seed) {
    SamplingParams params = SamplingParams.DEFAULT.withSeed(seed);
    return GenerateRequest.of(prompt(engine))
        .withSampling(params)
        .withMaxTokens(tokens)
        .withStop(stop)
        .withIgnoreEos(true);
  }
}
