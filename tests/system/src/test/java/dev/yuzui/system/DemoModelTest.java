package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.FinishReason;
import dev.yuzui.engine.GenerateRequest;
import dev.yuzui.engine.GenerationListener;
import dev.yuzui.engine.GenerationResult;
import dev.yuzui.engine.LoadProgress;
import dev.yuzui.engine.RuntimeOptions;
import dev.yuzui.engine.Session;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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
    try (Engine engine = open(backend, false);
        Session session = engine.newSession()) {
      int[] prompt = engine.tokenizer().encode(expected.get("prompt").asText(), true);
      assertEquals(ints(expected.get("tokens")), Arrays.stream(prompt).boxed().toList());
      List<Integer> greedy = ints(expected.get("greedy"));
      StringBuilder streamed = new StringBuilder();
      GenerationResult result =
          session.generate(
              new GenerateRequest(
                  ints(expected.get("tokens")),
                  SamplingParams.GREEDY,
                  greedy.size(),
                  List.of(),
                  true),
              (id, text) -> streamed.append(text));
      assertEquals(greedy, result.tokens());
      assertEquals(result.text(), streamed.toString());
      assertEquals(
          engine.tokenizer().decode(greedy.stream().mapToInt(Integer::intValue).toArray(), true),
          result.text());
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
                  LoadProgress.none());
          Session session = engine.newSession()) {
        texts.add(session.generate(request(engine, 40, List.of(), 7), (id, text) -> {}).text());
      }
    }
    assertEquals(texts.get(0), texts.get(1));
    assertEquals(texts.get(0), texts.get(2));
  }

  /** A bias of nothing makes the sampler look at whole rows. */
  @ParameterizedTest
  @MethodSource("backends")
  void candidatesPickedOnTheDeviceGiveTheTokensOfWholeRows(String backend) {
    try (Engine engine = open(backend);
        Session session = engine.newSession()) {
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
          assertEquals(
              tokens(engine, session, rows), tokens(engine, session, candidates), () -> "" + rows);
        }
      }
    }
  }

  private static List<Integer> tokens(Engine engine, Session session, SamplingParams params) {
    return session
        .generate(
            new GenerateRequest(prompt(engine), params, 12, List.of(), true), (id, text) -> {})
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
      int used = engine.config().gate().used();
      assertTrue(
          engine.countExperts(List.of(b), new int[] {9}).stream().allMatch(n -> n == used),
          "one token goes to K experts of each layer");
    }
  }

  @Test
  void aSessionReadsOnlyWhatIsNew() {
    try (Engine engine = open("cpu");
        Session session = engine.newSession();
        Engine other = open("cpu");
        Session fresh = other.newSession()) {
      GenerationResult first =
          session.generate(request(engine, 10, List.of(), 1), (id, text) -> {});
      List<Integer> longer = new ArrayList<>(prompt(engine));
      longer.addAll(first.tokens());
      longer.addAll(Arrays.stream(engine.tokenizer().encode(" And then", false)).boxed().toList());
      GenerateRequest next =
          new GenerateRequest(longer, SamplingParams.GREEDY, 10, List.of(), true);
      GenerationResult reused = session.generate(next, (id, text) -> {});
      GenerationResult anew = fresh.generate(next, (id, text) -> {});
      assertEquals(anew.tokens(), reused.tokens());
      assertTrue(reused.timings().cachedTokens() >= prompt(engine).size() + 9);
      assertEquals(0, anew.timings().cachedTokens());
    }
  }

  @Test
  void aStopTextEndsTheAnswerBeforeItself() {
    try (Engine engine = open("cpu");
        Session session = engine.newSession()) {
      String all = session.generate(request(engine, 60, List.of(), 3), (id, text) -> {}).text();
      String stop = all.substring(20, 24);
      GenerationResult cut =
          session.generate(request(engine, 60, List.of(stop), 3), (id, text) -> {});
      assertEquals(all.substring(0, all.indexOf(stop)), cut.text());
      assertEquals(FinishReason.STOP, cut.finish());
    }
  }

  @Test
  void aCancelledGenerationKeepsWhatItHas() {
    try (Engine engine = open("cpu");
        Session session = engine.newSession()) {
      int[] seen = new int[1];
      GenerationResult result =
          session.generate(
              request(engine, 100, List.of(), 3),
              new GenerationListener() {
                @Override
                public void token(int id, String text) {
                  seen[0]++;
                }

                @Override
                public boolean cancelled() {
                  return seen[0] >= 5;
                }
              });
      assertEquals(FinishReason.CANCELLED, result.finish());
      assertEquals(5, result.tokens().size());
      assertEquals(prompt(engine).size() + 4, session.length(), "entries held");
    }
  }

  private static List<Integer> prompt(Engine engine) {
    return Arrays.stream(engine.tokenizer().encode("There was once a king", true)).boxed().toList();
  }

  private static GenerateRequest request(Engine engine, int tokens, List<String> stop, long seed) {
    SamplingParams params = SamplingParams.DEFAULT.withSeed(seed);
    return new GenerateRequest(prompt(engine), params, tokens, stop, true);
  }
}
