package dev.yuzui.engine.schedule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationPromise;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.engine.draft.MtpProposer;
import dev.yuzui.engine.draft.MtpProposer.Kept;
import dev.yuzui.engine.schedule.SpeculativeDecoder.Part;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.ModelRunner;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.engine.step.Pass;
import dev.yuzui.engine.step.Rows;
import dev.yuzui.model.ModelLoader;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Drafts of the MTP layer, held against the float64 reference and against themselves. */
@ParameterizedClass(name = "{0}")
@ValueSource(strings = {"v3-f32", "gguf-v3-q8", "v3-f32-mtp2"})
class MtpProposerTest {
  private static final int CONTEXT = 48;

  @Parameter String golden;

  private Path folder;
  private Checkpoint checkpoint;
  private Backend backend;
  private DeviceGroup group;
  private ModelLoader.Loaded loaded;
  private KvCacheStore cache;
  private ModelRunner runner;
  private MtpProposer drafter;
  private int vocab;
  private int[] text;

  @BeforeEach
  void open() throws IOException {
    folder =
        Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden", golden);
    checkpoint =
        Checkpoints.open(golden.startsWith("gguf") ? folder.resolve("model.gguf") : folder);
    vocab = checkpoint.config().vocabSize();
    backend = new ReferenceProvider().open(BackendOptions.defaults());
    group = new DeviceGroup(List.of(new DeviceGroup.Member("reference", backend)));
    loaded =
        ModelLoader.load(
            checkpoint, group, plan(), Optional.empty(), CONTEXT, Encoding.F32, false, bytes -> {});
    cache =
        new KvCacheStore(
            _ -> backend,
            checkpoint.config().layers() + checkpoint.config().mtpLayers(),
            checkpoint.config().cacheEntry(),
            Encoding.F32,
            4,
            CONTEXT,
            4,
            24);
    runner =
        new ModelRunner(group, Optional.empty(), loaded.ranks(), new KvCaches(List.of(cache)), 32);
    drafter = new MtpProposer(runner, 3, Pass.ALL_TOKENS);
    var expected = new ObjectMapper().readTree(folder.resolve("expected.json").toFile());
    text =
        StreamSupport.stream(expected.get("tokens").spliterator(), false)
            .mapToInt(t -> t.asInt())
            .toArray();
  }

  private DevicePlan plan() {
    return DevicePlan.single(
        IntStream.range(0, checkpoint.config().layers() + checkpoint.config().mtpLayers())
            .mapToObj(checkpoint.config()::isMoe)
            .toList(),
        checkpoint.config().gate().experts());
  }

  @AfterEach
  void close() {
    runner.close();
    cache.close();
    loaded.close();
    group.close();
    backend.close();
    checkpoint.close();
  }

  private int[] text(int from, int to) {
    return Arrays.copyOfRange(text, from, to);
  }

  private void run(Sequence s, int... tokens) {
    runner.run(List.of(new Chunk(s, tokens, Outputs.LAST)), 1);
  }

  /** What is drafted behind {@code known}, of which all but the last token are read at once. */
  private int[] alone(int[] known, int most) {
    try (Sequence s = cache.openSequence()) {
      run(s, Arrays.copyOf(known, known.length - 1));
      int[] next = Arrays.copyOfRange(known, 1, known.length);
      return drafter.draft(List.of(new Kept(s, 0, 0, next, most)), 0).getFirst();
    }
  }

  /** [3, vocab]: behind 13 tokens of the text. */
  private float[][] expectedLogits() throws IOException {
    var numbers =
        ByteBuffer.wrap(Files.readAllBytes(folder.resolve("drafts.f32")))
            .order(ByteOrder.LITTLE_ENDIAN)
            .asFloatBuffer();
    float[][] rows = new float[3][vocab];
    for (float[] row : rows) {
      numbers.get(row);
    }
    return rows;
  }

  private static int best(float[] row) {
    int best = 0;
    for (int i = 1; i < row.length; i++) {
      best = row[i] > row[best] ? i : best;
    }
    return best;
  }

  @Test
  void draftsAreThoseOfTheReference() throws IOException {
    int[] expected = Arrays.stream(expectedLogits()).mapToInt(MtpProposerTest::best).toArray();
    for (int most = 0; most <= 3; most++) {
      assertArrayEquals(Arrays.copyOf(expected, most), alone(text(0, 13), most));
    }
  }

  @Test
  void draftsAreChosenAmongTheFirstTokens() throws IOException {
    int tokens = loaded.ranks().getFirst().guessed(0, 33);
    assertEquals(48, tokens, "whole strips of 16 rows of the head");
    float[][] expected = expectedLogits();
    drafter = new MtpProposer(runner, 1, 33);
    int draft = alone(text(0, 13), 1)[0];
    assertEquals(best(Arrays.copyOf(expected[0], tokens)), draft);
    drafter = new MtpProposer(runner, 1, vocab);
    assertEquals(best(expected[0]), alone(text(0, 13), 1)[0]);
  }

  @Test
  void logitsOfChainedDraftsAreThoseOfTheReference() throws IOException {
    float[][] expected = expectedLogits();
    try (Sequence s = cache.openSequence()) {
      run(s, text(0, 12));
      s.reserve(2);
      int[] known = text(1, 13);
      int layers = drafter.layers();
      for (int depth = 0; depth < 3; depth++) {
        if (depth < layers) {
          int[] next = Arrays.copyOfRange(known, depth, depth + 12);
          Rows rows = new Rows(s, 0, next, Outputs.LAST, 0);
          runner.runMtp(depth, depth < layers - 1, List.of(rows), 0, Pass.ALL_TOKENS);
        } else {
          int[] draft = {known[known.length - 1]};
          Rows row = new Rows(s, 12 + depth - layers, draft, Outputs.LAST, 0);
          runner.chainMtp(layers - 1, List.of(row), 0, Pass.ALL_TOKENS);
        }
        float[] row = new float[vocab];
        runner.logits(0, row);
        assertArrayEquals(expected[depth], row, 2e-4f, "draft " + (depth + 1));
        known = Arrays.copyOf(known, known.length + 1);
        known[known.length - 1] = best(expected[depth]);
      }
    }
  }

  @Test
  void aPromptReadInPiecesIsDraftedBehindAsOneReadAtOnce() {
    int[] expected = alone(text(0, 20), 3);
    try (Sequence s = cache.openSequence()) {
      run(s, text(0, 7));
      drafter.draft(List.of(new Kept(s, 0, 0, text(1, 7 + drafter.layers()), 0)), 0);
      run(s, text(7, 17));
      drafter.draft(List.of(new Kept(s, 0, 7, text(8, 17 + drafter.layers()), 0)), 0);
      run(s, text(17, 19));
      assertArrayEquals(
          expected, drafter.draft(List.of(new Kept(s, 0, 17, text(18, 20), 3)), 0).getFirst());
    }
  }

  @Test
  void sequencesDraftTogetherAsEachAloneAlsoBehindARollback() {
    int[] expectedB = alone(text(20, 40), 2);
    int[] expectedC = alone(text(5, 13), 1);
    try (Sequence a = cache.openSequence();
        Sequence b = cache.openSequence();
        Sequence c = cache.openSequence()) {
      run(a, text(0, 8));
      int[] first = drafter.draft(List.of(new Kept(a, 0, 0, text(1, 9), 3)), 0).getFirst();
      assertEquals(3, first.length);
      // a verifies three drafts, of which the first was right, while the others read
      int[] known = text(0, 11);
      known[9] = first[0];
      int wrong = (known[10] + 1) % 256;
      int[] drafted = {known[8], known[9], wrong, wrong};
      runner.run(
          List.of(
              new Chunk(a, drafted, Outputs.ALL),
              new Chunk(b, text(20, 39), Outputs.LAST),
              new Chunk(c, text(5, 12), Outputs.LAST)),
          1);
      a.truncate(10);
      List<int[]> drafts =
          drafter.draft(
              List.of(
                  new Kept(a, 0, 8, Arrays.copyOfRange(known, 9, 11), 3),
                  new Kept(b, 4, 0, text(21, 40), 2),
                  new Kept(c, 23, 0, text(6, 13), 1)),
              0);
      assertArrayEquals(alone(known, 3), drafts.get(0));
      assertArrayEquals(expectedB, drafts.get(1));
      assertArrayEquals(expectedC, drafts.get(2));
    }
  }

  /** At every place of a page that the prompt may end in, read at once and in pieces. */
  @Test
  void answersToOnePromptDraftBehindTheirOwnFirstToken() {
    for (int length = 9; length <= 13; length++) {
      for (int start : new int[] {0, 6, length - 1}) {
        try (Sequence s = cache.openSequence()) {
          if (start > 0) {
            run(s, text(0, start));
            int known = Math.min(length, start + drafter.layers());
            drafter.draft(List.of(new Kept(s, 0, 0, text(1, known), 0)), 0);
          }
          run(s, text(start, length));
          answersDraft(s, start, length);
        }
      }
    }
  }

  private void answersDraft(Sequence s, int start, int length) {
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Request request = request(text(0, length));
      request.hold(i == 0 ? s : s.fork());
      request.append(text[30 + i]);
      requests.add(request);
    }
    var decoder =
        new SpeculativeDecoder(
            new Speculation(Drafts.MTP, 2, 0), 64, Optional.of(drafter), Optional.empty());
    decoder.draft(
        requests.stream().map(j -> new Part(j, 0, start, j != requests.getFirst())).toList(),
        requests);
    requests.subList(1, 3).forEach(request -> request.sequence().orElseThrow().close());
    for (int i = 0; i < 3; i++) {
      int[] known = Arrays.copyOf(text, length + 1);
      known[length] = text[30 + i];
      // of a second layer the entry before the last may lie in a page shared, or made too early
      int exact = drafter.layers() == 1 ? 2 : 1;
      assertArrayEquals(
          Arrays.copyOf(alone(known, 2), exact),
          Arrays.copyOf(requests.get(i).drafts(), exact),
          length + " from " + start + ", answer " + i);
    }
  }

  private static Request request(int[] prompt) {
    return new Request(
        0,
        GenerateRequest.of(prompt).withMaxTokens(20),
        new GenerationPromise(_ -> {}),
        (id, text) -> {},
        CONTEXT,
        _ -> false,
        Optional.empty());
  }

  @Test
  void whoLeavesDoesNotDisturbTheOthers() {
    int[] expected = alone(text(20, 40), 2);
    try (Sequence a = cache.openSequence();
        Sequence b = cache.openSequence()) {
      runner.run(
          List.of(new Chunk(a, text(0, 5), Outputs.LAST), new Chunk(b, text(20, 39), Outputs.LAST)),
          1);
      assertArrayEquals(
          expected, drafter.draft(List.of(new Kept(b, 5, 0, text(21, 40), 2)), 0).getFirst());
      assertEquals(List.of(), drafter.draft(List.of(), 0));
    }
  }

  @Test
  void anImprobableDraftIsDroppedAndNothingIsDraftedBehindIt() throws IOException {
    float[][] expected = expectedLogits();
    double[] p = Arrays.stream(expected).mapToDouble(MtpProposerTest::amongTen).toArray();
    for (double least : new double[] {p[0] - 1e-3, p[0] + 1e-3, p[1] - 1e-3, p[1] + 1e-3, 1}) {
      int want = 0;
      while (want < 3 && p[want] >= least) {
        want++;
      }
      try (Sequence s = cache.openSequence()) {
        run(s, text(0, 12));
        Kept kept = new Kept(s, 0, 0, text(1, 13), 3);
        assertEquals(want, drafter.draft(List.of(kept), least).getFirst().length, "p " + least);
      }
    }
  }

  private static double amongTen(float[] logits) {
    float[] sorted = logits.clone();
    Arrays.sort(sorted);
    double sum = 0;
    for (int i = 1; i <= 10; i++) {
      sum += Math.exp(sorted[sorted.length - i] - sorted[sorted.length - 1]);
    }
    return 1 / sum;
  }

  @Test
  void withoutAFreePageThereAreFewerDrafts() {
    try (Sequence hog = cache.openSequence();
        Sequence s = cache.openSequence()) {
      run(s, text(0, 11)); // one entry is free in its third page
      hog.reserve(CONTEXT);
      try (Sequence more = cache.openSequence()) {
        more.reserve(4 * cache.freePages());
        assertEquals(0, cache.freePages());
        int[] drafts = drafter.draft(List.of(new Kept(s, 0, 0, text(1, 12), 4)), 0).getFirst();
        assertEquals(1 + drafter.layers(), drafts.length);
      }
    }
  }

  /** Drafted, verified and rolled back, the greedy text is what it is one token at a time. */
  @Test
  void theTextIsTheSameWithAndWithoutDrafts() {
    List<Integer> plain = new ArrayList<>();
    try (Sequence s = cache.openSequence()) {
      run(s, text(0, 9));
      while (plain.size() < 24) {
        plain.add(runner.greedy()[0]);
        run(s, plain.getLast());
      }
    }
    List<Integer> drafted = new ArrayList<>();
    int steps = 0;
    try (Sequence s = cache.openSequence()) {
      run(s, text(0, 9));
      int[] next = text(1, 10);
      next[8] = runner.greedy()[0];
      drafted.add(next[8]);
      int start = 0;
      while (drafted.size() < 24) {
        int[] drafts = drafter.draft(List.of(new Kept(s, 0, start, next, 3)), 0).getFirst();
        start = s.length();
        int[] chunk = new int[1 + drafts.length];
        chunk[0] = drafted.getLast();
        System.arraycopy(drafts, 0, chunk, 1, drafts.length);
        runner.run(List.of(new Chunk(s, chunk, Outputs.ALL)), 1);
        steps++;
        int[] model = runner.greedy();
        int accepted = 0;
        while (accepted < drafts.length && drafts[accepted] == model[accepted]) {
          accepted++;
        }
        next = Arrays.copyOf(model, accepted + 1);
        Arrays.stream(next).forEach(drafted::add);
        s.truncate(start + next.length);
      }
    }
    assertEquals(plain, drafted.subList(0, 24));
    assertTrue(steps <= 23);
  }

  @Test
  void ofNothingNothingIsDrafted() {
    assertEquals(List.of(), drafter.draft(List.of(), 0));
  }
}
