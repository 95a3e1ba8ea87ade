package dev.yuzui.engine.draft;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.step.BestTokens;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.engine.step.Steps;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Drafts with a smaller model, all texts in one step (Leviathan et al. 2023, with its best token as
 * the only guess). It reads what the texts have more, then appends its own best tokens one by one.
 * Its cache follows each text on its own: a text that it has no room for gets no drafts.
 */
public final class DraftModelProposer {
  /**
   * @param more the text's tokens from {@link DraftText#known} on
   * @param most drafts wanted; 0 reads alone
   */
  public record Wanted(DraftText text, int[] more, int most) {}

  /** One text on its way through a round of drafts. */
  private static final class Drafting {
    final DraftText text;
    final int[] more;
    final int most;
    final List<Integer> drafts = new ArrayList<>();
    int read; // of more

    Drafting(Wanted wanted) {
      text = wanted.text();
      more = wanted.more();
      most = wanted.most();
    }

    int left() {
      return more.length - read;
    }

    Chunk next(int tokens) {
      int[] part = Arrays.copyOfRange(more, read, read + tokens);
      boolean ready = tokens == left() && most > 0;
      return new Chunk(text.sequence(), part, ready ? Outputs.LAST : Outputs.NONE);
    }

    void read(int tokens) {
      read += tokens;
      text.advance(tokens);
    }

    int[] made() {
      return drafts.stream().mapToInt(Integer::intValue).toArray();
    }
  }

  private final Steps steps;
  private final KvCaches caches;
  private final int contextLength;
  private final int ownTokens;
  private final int tokens;

  /** Those that hold pages, the one that asked first in front. */
  private final Set<DraftText> open = new LinkedHashSet<>();

  /**
   * @param steps of the draft model, which nobody else uses
   * @param contextLength of its sequences
   * @param ownTokens that it can read
   * @param tokens that the target can: it is offered no other
   */
  public DraftModelProposer(
      Steps steps, KvCaches caches, int contextLength, int ownTokens, int tokens) {
    this.steps = steps;
    this.caches = caches;
    this.contextLength = contextLength;
    this.ownTokens = ownTokens;
    this.tokens = tokens;
  }

  /** As {@link Steps#deviceNanos}. */
  public long deviceNanos() {
    return steps.deviceNanos();
  }

  /**
   * @param leastProbable a draft of a smaller probability is dropped, and nothing drafted behind it
   * @return what may follow each text, as many tokens as are wanted or fewer
   */
  public List<int[]> draft(List<Wanted> all, double leastProbable) {
    open.removeIf(text -> !text.isOpen());
    List<Drafting> drafting = all.stream().map(Drafting::new).toList();
    int candidates = leastProbable > 0 ? BestTokens.CANDIDATES : 1;
    Deque<Drafting> reading = new ArrayDeque<>();
    for (Drafting d : drafting) {
      if (begin(d, drafting)) {
        reading.add(d);
      }
    }
    List<Drafting> going = new ArrayList<>();
    while (!reading.isEmpty()) {
      going.addAll(take(read(reading, candidates), leastProbable));
    }
    while (!going.isEmpty()) {
      going = chain(going, candidates, leastProbable, drafting);
    }
    return drafting.stream().map(Drafting::made).toList();
  }

  /** Whether the text has something to read, and room for it. */
  private boolean begin(Drafting d, List<Drafting> all) {
    for (int token : d.more) {
      if (token >= ownTokens) {
        d.text.close();
        return false;
      }
    }
    d.read = d.text.confirm(d.more);
    if (d.left() == 0 || d.text.known() + d.left() > contextLength) {
      return false;
    }
    if (!d.text.isOpen() && !opened(d, all)) {
      return false;
    }
    return reserved(d, d.left(), all);
  }

  private boolean opened(Drafting d, List<Drafting> all) {
    do {
      try {
        Sequence sequence = caches.openSequence(d.more);
        d.text.open(sequence, sequence.adopt(d.more));
        d.read = d.text.known();
        open.add(d.text);
        return true;
      } catch (CacheFullException _) {
        // another text that is not written now may give way
      }
    } while (gaveWay(all));
    return false;
  }

  private boolean reserved(Drafting d, int more, List<Drafting> all) {
    if (d.text.sequence().length() + more > contextLength) {
      return false;
    }
    do {
      try {
        d.text.sequence().reserve(more);
        return true;
      } catch (CacheFullException _) {
        // as above
      }
    } while (gaveWay(all));
    return false;
  }

  /** Drafts push no text out of the model's own cache, only each other out of this one. */
  private boolean gaveWay(List<Drafting> all) {
    for (Iterator<DraftText> i = open.iterator(); i.hasNext(); ) {
      DraftText text = i.next();
      if (all.stream().noneMatch(d -> d.text == text)) {
        text.close();
        i.remove();
        return true;
      }
    }
    return false;
  }

  /** One step of what is to be read; the texts that have been read to their end and want drafts. */
  private List<Drafting> read(Deque<Drafting> reading, int candidates) {
    List<Chunk> chunks = new ArrayList<>();
    List<Drafting> ready = new ArrayList<>();
    int room = steps.maxTokens();
    while (!reading.isEmpty() && room > 0 && chunks.size() < steps.maxOutputs()) {
      Drafting d = reading.element();
      int part = Math.min(room, d.left());
      Chunk chunk = d.next(part);
      chunks.add(chunk);
      d.read(part);
      room -= part;
      if (d.left() == 0) {
        reading.remove();
        if (chunk.outputs() == Outputs.LAST) {
          ready.add(d);
        }
      }
    }
    steps.run(chunks, candidates);
    return ready;
  }

  /** Appends the draft made last to each, and makes another; who goes on. */
  private List<Drafting> chain(
      List<Drafting> going, int candidates, double leastProbable, List<Drafting> all) {
    List<Drafting> roomy = going.stream().filter(d -> reserved(d, 1, all)).toList();
    List<Drafting> next = new ArrayList<>();
    int size = Math.min(steps.maxTokens(), steps.maxOutputs());
    for (int from = 0; from < roomy.size(); from += size) {
      List<Drafting> part = roomy.subList(from, Math.min(from + size, roomy.size()));
      steps.run(
          part.stream()
              .map(d -> new Chunk(d.text.sequence(), new int[] {d.drafts.getLast()}, Outputs.LAST))
              .toList(),
          candidates);
      part.forEach(d -> d.text.guess(d.made()));
      next.addAll(take(part, leastProbable));
    }
    return next;
  }

  /** Adds the best token of each one's output of the last step; who goes on. */
  private List<Drafting> take(List<Drafting> ready, double leastProbable) {
    List<Drafting> going = new ArrayList<>();
    for (int i = 0; i < ready.size(); i++) {
      Drafting d = ready.get(i);
      BestTokens best = steps.best(i);
      int token = best.ids()[0];
      if (token < tokens && best.probability() >= leastProbable) {
        d.drafts.add(token);
        if (d.drafts.size() < d.most) {
          going.add(d);
        }
      }
    }
    return going;
  }
}
