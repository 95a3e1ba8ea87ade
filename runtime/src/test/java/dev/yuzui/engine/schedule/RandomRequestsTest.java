package dev.yuzui.engine.schedule;

import static dev.yuzui.engine.schedule.FakeModel.NOBODY;
import static dev.yuzui.engine.schedule.FakeModel.prompt;
import static dev.yuzui.engine.schedule.FakeModel.request;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever requests come, and however they end. */
@Timeout(600)
class RandomRequestsTest {
  /**
   * Shared beginnings, several answers, cancellations, time limits, listeners that throw. Now and
   * then all are done; the next one holds the engine until others wait, for those who ask may be
   * slower than it, and nobody would have to give way.
   */
  @ParameterizedTest
  @EnumSource(names = {"NONE", "NGRAM", "MODEL"})
  void tenThousandRandomRequestsLeaveNoPageBehind(Drafts drafts) {
    Random random = new Random(5);
    int pages = drafts == Drafts.MODEL ? 24 : 40; // whose texts are done in fewer steps
    Speculation speculation =
        drafts == Drafts.MODEL
            ? Speculation.by(new DraftModel(Path.of("draft"), Optional.empty()), 3, 0)
            : new Speculation(drafts, 3, 0);
    try (FakeModel drafter = new FakeModel(6, 25, 16); // too small for all
        FakeModel model = new FakeModel(8, pages, 24, speculation, drafter.proposer(drafts))) {
      List<Integer> shared = prompt(40, 7);
      int done = 0;
      int made = 0;
      record Asked(GenerateRequest request, Generation generation) {}
      List<Asked> open = new ArrayList<>();
      CountDownLatch others = new CountDownLatch(0);
      while (made < 10_000) {
        boolean holds = open.isEmpty();
        if (holds) {
          others = new CountDownLatch(30);
        }
        CountDownLatch waited = others;
        List<Integer> prompt = new ArrayList<>(shared.subList(0, random.nextInt(30)));
        prompt.addAll(prompt(1 + random.nextInt(10), random.nextInt()));
        GenerateRequest request = request(prompt, random.nextInt(16));
        if (random.nextInt(10) == 0) {
          request = request.withTimeout(Duration.ofNanos(1 + random.nextInt(3_000_000)));
        }
        GenerationListener listener =
            holds
                ? (id, text) -> assertDoesNotThrow(() -> waited.await(1, TimeUnit.MINUTES))
                : random.nextInt(20) > 0
                    ? NOBODY
                    : (id, text) -> {
                      throw new IllegalStateException("a bad listener");
                    };
        int answers = random.nextInt(10) == 0 ? 1 + random.nextInt(4) : 1;
        for (Generation generation : model.generate(request, answers, listener)) {
          open.add(new Asked(request, generation));
          made++;
          others.countDown();
        }
        if (random.nextInt(4) == 0) {
          open.get(random.nextInt(open.size())).generation().cancel();
        }
        boolean last = made >= 10_000;
        while (last && others.getCount() > 0) {
          others.countDown();
        }
        int most = last || random.nextInt(500) == 0 && others.getCount() == 0 ? 0 : 40;
        while (open.size() > most) {
          Asked asked = open.remove(random.nextInt(open.size()));
          try {
            GenerationResult result = asked.generation().await();
            assertEquals(
                FakeModel.alone(asked.request().prompt(), result.tokens().size()), result.tokens());
            if (result.finish() == FinishReason.LENGTH) {
              assertEquals(asked.request().maxTokens(), result.tokens().size());
              done++;
            }
          } catch (EngineException e) {
            assertTrue(e.getMessage().contains("a bad listener"), e.getMessage());
          }
        }
      }
      assertTrue(done > 5000, done + " were done");
      EngineMetrics metrics = model.loop.metrics();
      assertEquals(0, metrics.requestsRunning());
      assertEquals(0, metrics.requestsWaiting());
      assertTrue(metrics.preemptions() > 0, "no one had to give way");
      assertTrue(metrics.prefixHits() > 0, "nothing was found in the cache");
      assertEquals(drafts != Drafts.NONE, metrics.acceptedTokens() > 0);
      assertEquals(drafts != Drafts.NONE, metrics.acceptedTokens() < metrics.draftTokens());
      assertEquals(pages, model.cache.freePages());
      assertEquals(25, drafter.cache.freePages());
    }
  }
}
