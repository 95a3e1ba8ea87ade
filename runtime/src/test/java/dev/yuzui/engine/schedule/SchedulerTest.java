package dev.yuzui.engine.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.schedule.Scheduler.Grant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SchedulerTest {
  /** A request for so many tokens after a prompt; what it holds is lost with its pages. */
  private static class Request implements Scheduler.Entry {
    final long order;
    final int prompt;
    final int wanted;
    int made;
    int held;

    Request(long order, int prompt, int wanted) {
      this.order = order;
      this.prompt = prompt;
      this.wanted = wanted;
    }

    @Override
    public long order() {
      return order;
    }

    @Override
    public int pending() {
      return prompt + made - held;
    }

    @Override
    public boolean decoding() {
      return made > 0 && pending() == 1;
    }

    @Override
    public String toString() {
      return "request " + order;
    }
  }

  /** Pages of one token each. */
  private static final class Pages implements Scheduler.Room<Request> {
    final Map<Request, Integer> held = new LinkedHashMap<>();
    final int all;

    Pages(int all) {
      this.all = all;
    }

    int free() {
      return all - held.values().stream().mapToInt(Integer::intValue).sum();
    }

    @Override
    public boolean admit(Request request, int running) {
      if (free() < request.pending() + running) {
        return false;
      }
      held.put(request, request.pending());
      return true;
    }

    @Override
    public boolean sharesRoom(Request a, Request b) {
      return true;
    }

    @Override
    public boolean reserve(Request request, int tokens) {
      int more = Math.max(0, request.held + tokens - held.get(request));
      if (free() < more) {
        return false;
      }
      held.merge(request, more, Integer::sum);
      return true;
    }

    @Override
    public void release(Request request) {
      assertTrue(held.remove(request) != null, request + " had no pages");
      request.held = 0;
    }
  }

  /** What the device does with a step; gives those that are done. */
  private static List<Request> run(List<Grant<Request>> step) {
    List<Request> done = new ArrayList<>();
    for (Grant<Request> grant : step) {
      Request request = grant.entry();
      request.held += grant.tokens();
      if (request.pending() == 0 && ++request.made == request.wanted) {
        done.add(request);
      }
    }
    return done;
  }

  private static int tokens(List<Grant<Request>> step) {
    return step.stream().mapToInt(Grant::tokens).sum();
  }

  @Test
  void aPromptIsReadInChunksOfWhatAStepHolds() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(100), 8, 4);
    Request request = new Request(0, 20, 2);
    scheduler.add(request);
    List<Integer> chunks = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      List<Grant<Request>> step = scheduler.next();
      chunks.add(tokens(step));
      run(step).forEach(scheduler::remove);
    }
    assertEquals(List.of(8, 8, 4, 1), chunks);
    assertEquals(List.of(), scheduler.next());
  }

  @Test
  void whoMakesTextGoesOnInEveryStepWhileALongPromptIsRead() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(10_000), 16, 4);
    List<Request> writers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      writers.add(new Request(i, 1, 1000));
      scheduler.add(writers.get(i));
    }
    run(scheduler.next());
    Request reader = new Request(3, 1300, 1);
    scheduler.add(reader);
    int steps = 0;
    while (reader.made == 0) {
      List<Grant<Request>> step = scheduler.next();
      assertTrue(
          step.stream().map(Grant::entry).toList().containsAll(writers), "a writer was left out");
      run(step).forEach(scheduler::remove);
      steps++;
    }
    assertEquals(100, steps, "the reader has 13 of the 16 tokens of each step");
  }

  @Test
  void aLongPromptIsNotHeldUpByThoseThatCameLater() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(10_000), 10, 8);
    Request reader = new Request(0, 100, 1);
    scheduler.add(reader);
    for (int i = 1; i <= 50; i++) {
      scheduler.add(new Request(i, 3, 1));
    }
    for (int i = 0; i < 10; i++) {
      run(scheduler.next()).forEach(scheduler::remove);
    }
    assertEquals(1, reader.made);
  }

  @Test
  void onlySoManyRunAndTheOthersWaitInOrder() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(100), 100, 2);
    for (int i = 0; i < 5; i++) {
      scheduler.add(new Request(i, 2, 1));
    }
    List<Long> order = new ArrayList<>();
    while (!scheduler.waiting().isEmpty()) {
      List<Grant<Request>> step = scheduler.next();
      assertTrue(step.size() <= 2);
      step.forEach(grant -> order.add(grant.entry().order()));
      run(step).forEach(scheduler::remove);
    }
    assertEquals(List.of(0L, 1L, 2L, 3L, 4L), order);
  }

  @Test
  void theYoungestGivesWayAndComesBackBeforeThoseThatWaited() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(12), 12, 4);
    Request old = new Request(0, 4, 8);
    Request young = new Request(1, 4, 8);
    Request waits = new Request(2, 4, 1);
    List.of(old, young, waits).forEach(scheduler::add);
    while (scheduler.preemptions() == 0) {
      run(scheduler.next());
    }
    assertEquals(List.of(old), List.copyOf(scheduler.running()));
    assertEquals(List.of(young, waits), List.copyOf(scheduler.waiting()));
    assertTrue(young.made > 0, "it keeps what it made");
    assertEquals(1, scheduler.preemptions());
  }

  /** Makes text, with so many guesses behind each token. */
  private static Request guessing(long order, int guesses) {
    return new Request(order, 1, 1000) {
      @Override
      public int pending() {
        return super.pending() + (made > 0 ? guesses : 0);
      }

      @Override
      public boolean decoding() {
        return made > 0;
      }
    };
  }

  private static List<Integer> shares(List<Grant<Request>> step) {
    return step.stream().map(Grant::tokens).toList();
  }

  @Test
  void guessesTakeOnlyWhatATokenOfEachOtherLeaves() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(1000), 10, 4);
    List<Request> writers =
        List.of(guessing(0, 5), guessing(1, 5), guessing(2, 0), new Request(3, 30, 1));
    writers.forEach(scheduler::add);
    assertEquals(List.of(1, 1, 1, 7), shares(scheduler.next()));
    for (Request request : writers.subList(0, 3)) {
      request.held = 1;
      request.made = 1;
    }
    // one for each of the first three is certain: 6, 3 and 1; nothing is left for the reader
    assertEquals(List.of(6, 3, 1), shares(scheduler.next()));
  }

  @Test
  void whereTheCacheIsFullGuessesAreDroppedBeforeAnybodyGivesWay() {
    Pages pages = new Pages(4);
    Scheduler<Request> scheduler = new Scheduler<>(pages, 10, 2);
    Request a = guessing(0, 5);
    Request b = guessing(1, 5);
    scheduler.add(a);
    scheduler.add(b);
    run(scheduler.next());
    a.made = 1;
    b.made = 1;
    a.held = 1;
    b.held = 1;
    assertEquals(List.of(1, 1), shares(scheduler.next()));
    assertEquals(0, scheduler.preemptions());
    assertEquals(0, pages.free());
  }

  @Test
  void aStepIsInTheOrderOfArrivalWhoeverMakesText() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(1000), 10, 4);
    Request writer = new Request(1, 1, 1000);
    scheduler.add(writer);
    run(scheduler.next());
    Request reader = new Request(0, 30, 1);
    scheduler.add(reader);
    for (int i = 0; i < 2; i++) { // it joins at the end of a step, and has its place in the next
      List<Request> order = scheduler.next().stream().map(Grant::entry).toList();
      assertEquals(i == 0 ? List.of(writer, reader) : List.of(reader, writer), order);
    }
  }

  @Test
  void aStepThatWasLostIsGivenAgain() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(1000), 10, 4);
    scheduler.add(new Request(0, 3, 1));
    scheduler.add(new Request(1, 4, 1));
    scheduler.add(new Request(2, 20, 1));
    assertEquals(List.of(3, 4, 3), shares(scheduler.next()));
    assertEquals(List.of(3, 4, 3), shares(scheduler.next()));
  }

  @Test
  void nobodyIsAdmittedToAStepThatIsFull() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(1000), 4, 2);
    scheduler.add(new Request(0, 4, 1));
    scheduler.add(new Request(1, 4, 1));
    assertEquals(List.of(4), shares(scheduler.next()));
    assertEquals(1, scheduler.running().size());
  }

  @Test
  void oneMayJoinWhileFewerRunThanMay() {
    Scheduler<Request> scheduler = new Scheduler<>(new Pages(1000), 4, 2);
    assertTrue(scheduler.mayJoin());
    scheduler.join(new Request(0, 4, 1));
    assertTrue(scheduler.mayJoin());
    scheduler.join(new Request(1, 4, 1));
    assertFalse(scheduler.mayJoin());
  }

  @Test
  void aStepHasRoomForATokenOfEachSequence() {
    assertThrows(IllegalArgumentException.class, () -> new Scheduler<Request>(new Pages(1), 3, 4));
  }

  @Property(tries = 300)
  void everyRequestIsDoneAndNoPageIsLost(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 12) int mostRunning,
      @ForAll @IntRange(min = 0, max = 30) int moreBudget,
      @ForAll @IntRange(min = 40, max = 200) int pages) {
    Random random = new Random(seed);
    Pages room = new Pages(pages);
    int budget = mostRunning + moreBudget;
    Scheduler<Request> scheduler = new Scheduler<>(room, budget, mostRunning);
    List<Request> all = new ArrayList<>();
    List<Request> open = new ArrayList<>();
    for (int step = 0; step < 5000 && (all.size() < 40 || !open.isEmpty()); step++) {
      if (all.size() < 40 && random.nextInt(3) == 0) {
        Request request = new Request(all.size(), 1 + random.nextInt(20), 1 + random.nextInt(20));
        all.add(request);
        open.add(request);
        scheduler.add(request);
      }
      List<Request> writers =
          scheduler.running().stream().filter(Scheduler.Entry::decoding).toList();
      long before = scheduler.preemptions();
      List<Grant<Request>> grants = scheduler.next();
      assertTrue(tokens(grants) <= budget && grants.size() <= mostRunning);
      assertTrue(grants.stream().allMatch(grant -> grant.tokens() > 0), grants.toString());
      assertTrue(room.free() >= 0);
      assertEquals(room.held.keySet(), Set.copyOf(scheduler.running()));
      assertTrue(open.isEmpty() || !grants.isEmpty(), "someone can always go on");
      if (before == scheduler.preemptions()) {
        assertTrue(grants.stream().map(Grant::entry).toList().containsAll(writers));
      } else {
        Request oldest = open.stream().min(Comparator.comparingLong(Request::order)).orElseThrow();
        assertTrue(scheduler.running().contains(oldest), "the oldest never gives way");
      }
      List<Request> done = run(grants);
      if (!open.isEmpty() && random.nextInt(20) == 0) {
        done.add(open.get(random.nextInt(open.size()))); // cancelled
      }
      done.forEach(scheduler::remove);
      open.removeAll(done);
    }
    assertEquals(List.of(), open);
    assertEquals(pages, room.free());
  }
}
