package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationPromise;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class TurnsTest {
  private final Turns turns = new Turns();

  @Test
  void whoIsAloneWaitsForAnswersAndNoRequestComesBetween() throws Exception {
    List<String> order = new CopyOnWriteArrayList<>();
    GenerationPromise early = new GenerationPromise(_ -> {});
    turns.together(TurnsTest::wanted, early::generation);
    CountDownLatch within = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> alone =
          threads.submit(
              () ->
                  turns.alone(
                      TurnsTest::wanted,
                      () -> {
                        order.add("alone");
                        within.countDown();
                        awaits(goOn);
                        order.add("alone no more");
                      }));
      assertThrows(TimeoutException.class, () -> alone.get(300, TimeUnit.MILLISECONDS));
      order.add("answered");
      early.fail(new EngineException("or failed"));
      within.await();
      Future<?> late =
          threads.submit(
              () ->
                  turns.together(
                      TurnsTest::wanted,
                      () -> {
                        order.add("late");
                        return new Generation(_ -> {});
                      }));
      assertThrows(TimeoutException.class, () -> late.get(300, TimeUnit.MILLISECONDS));
      Future<?> opening =
          threads.submit(() -> turns.during(TurnsTest::wanted, () -> order.add("opened")));
      assertThrows(TimeoutException.class, () -> opening.get(300, TimeUnit.MILLISECONDS));
      goOn.countDown();
      late.get();
      opening.get();
      alone.get();
    }
    assertEquals(List.of("answered", "alone", "alone no more"), order.subList(0, 3));
    assertEquals(Set.of("late", "opened"), Set.copyOf(order.subList(3, order.size())));
  }

  private static void wanted() {}

  private static void awaits(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aTurnThatFailsOrIsNotWantedIsGivenBack() {
    IllegalStateException why = new IllegalStateException("refused");
    assertThrows(
        IllegalStateException.class,
        () ->
            turns.together(
                TurnsTest::wanted,
                () -> {
                  throw why;
                }));
    assertThrows(
        IllegalStateException.class,
        () ->
            turns.alone(
                TurnsTest::wanted,
                () -> {
                  turns.together(
                      () -> {
                        throw why;
                      },
                      () -> new Generation(_ -> {}));
                }));
    turns.alone(TurnsTest::wanted, () -> {});
    turns.together(TurnsTest::wanted, () -> new Generation(_ -> {}));
  }
}
