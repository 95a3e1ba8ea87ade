package dev.yuzui.engine.schedule;

import static dev.yuzui.engine.schedule.FakeModel.NOBODY;
import static dev.yuzui.engine.schedule.FakeModel.prompt;
import static dev.yuzui.engine.schedule.FakeModel.request;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.sampling.SamplingParams.Counted;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Guesses change nothing, and penalties count what was accepted, whatever becomes of a request. */
@Timeout(600)
class EngineLoopGuessesTest {
  @Test
  void guessesSaveStepsAndChangeNothing() {
    Speculation speculation = new Speculation(Drafts.NGRAM, 4, 0);
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(1, 64, 8, speculation)) {
      GenerationResult result = model.generate(request(counting, 30)).await();
      assertEquals(FakeModel.alone(counting, 30), result.tokens());
      var speculative = result.speculative();
      assertTrue(speculative.acceptedTokens() > 5, speculative.toString());
      assertTrue(speculative.acceptedTokens() < speculative.draftTokens(), "some were wrong");
      assertTrue(speculative.drafts() * 4 >= speculative.draftTokens());
    }
  }

  /** As the OpenAI interface has it: of the prompt nothing counts, of the answer everything. */
  private static final SamplingParams PENALISED =
      SamplingParams.GREEDY.withPenalties(1, 4, 2.5, 0.75).withCounted(Counted.GENERATED);

  private static List<Integer> penalisedAlone(List<Integer> prompt, int tokens) {
    List<Integer> all = new ArrayList<>(prompt);
    for (int i = 0; i < tokens; i++) {
      List<Integer> made = all.subList(prompt.size(), all.size());
      int best = 0;
      double most = Double.NEGATIVE_INFINITY;
      for (int id = 0; id < FakeModel.VOCABULARY; id++) {
        int count = Collections.frequency(made, id);
        double logit = FakeModel.logit(all, id) - (count > 0 ? 2.5 + 0.75 * count : 0);
        if (logit > most) {
          most = logit;
          best = id;
        }
      }
      all.add(best);
    }
    return all.subList(prompt.size(), all.size());
  }

  @Test
  void penaltiesCountTheAnswerWhoeverGivesWay() {
    try (FakeModel model = new FakeModel(4, 20, 16)) {
      model.takeMillisForAStep(1);
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        generations.add(model.generate(request(prompt(8, i), 40).withSampling(PENALISED)));
      }
      for (int i = 0; i < 8; i++) {
        assertEquals(penalisedAlone(prompt(8, i), 40), generations.get(i).await().tokens());
      }
      assertTrue(model.loop.metrics().preemptions() > 0, "no one had to give way");
    }
  }

  @Test
  void penaltiesCountWhatWasAcceptedOfGuesses() {
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(1, 64, 8, new Speculation(Drafts.NGRAM, 4, 0))) {
      GenerationResult result =
          model.generate(request(counting, 30).withSampling(PENALISED)).await();
      assertEquals(penalisedAlone(counting, 30), result.tokens());
      var speculative = result.speculative();
      assertTrue(speculative.acceptedTokens() > 0, speculative.toString());
      assertTrue(speculative.acceptedTokens() < speculative.draftTokens(), "some were wrong");
    }
  }

  @Test
  void penaltiesCountEachAnswerToAPromptForItself() {
    try (FakeModel model = new FakeModel(3, 64, 8)) {
      List<Integer> prompt = prompt(30, 1);
      GenerateRequest request = request(prompt, 20).withSampling(PENALISED);
      for (Generation generation : model.generate(request, 5, NOBODY)) {
        assertEquals(penalisedAlone(prompt, 20), generation.await().tokens());
      }
      // the whole conversation as the next prompt, found in the cache: nothing of it counts
      List<Integer> longer = new ArrayList<>(prompt);
      longer.addAll(penalisedAlone(prompt, 20));
      assertEquals(
          penalisedAlone(longer, 10),
          model.generate(request(longer, 10).withSampling(PENALISED)).await().tokens());
    }
  }

  @Test
  void anOverflowAmongGuessesFailsItsRequestAlone() {
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    for (int at = 30; at < 50; at++) {
      try (FakeModel model = new FakeModel(2, 64, 16, new Speculation(Drafts.NGRAM, 4, 0))) {
        model.overflowBehind(at);
        Generation fails = model.generate(request(counting, 30));
        Generation good = model.generate(request(prompt(3, at), 20));
        String message = assertThrows(EngineException.class, fails::await).getMessage();
        assertTrue(message.contains("the largest is infinite"), message);
        assertEquals(FakeModel.alone(prompt(3, at), 20), good.await().tokens());
        assertEquals(64, model.cache.freePages());
      }
    }
  }

  @Test
  void guessesPushNobodyOut() {
    List<Integer> counting = IntStream.range(0, 20).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(2, 12, 16, new Speculation(Drafts.NGRAM, 15, 0))) {
      model.takeMillisForAStep(1);
      Generation first = model.generate(request(counting, 4));
      Generation second = model.generate(request(counting, 4));
      assertEquals(FakeModel.alone(counting, 4), first.await().tokens());
      assertEquals(FakeModel.alone(counting, 4), second.await().tokens());
      assertEquals(0, model.loop.metrics().preemptions());
    }
  }
}
