package dev.yuzui.engine.schedule;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;

/**
 * Who appends how much in a step. Sequences join and leave at every step; each step's tokens are
 * limited. Those that make text come first and go on in every step, what is left is for reading
 * prompts, oldest first, so that a long one is read as fast as if the younger were not there. Where
 * the cache is full the youngest gives way: it goes back to the queue, in its old place, and is
 * computed again. Bookkeeping only; not thread-safe.
 */
final class Scheduler<E extends Scheduler.Entry> {
  /** A request, as far as its place in a step is concerned. */
  interface Entry {
    /** Number of its arrival; no two have the same. */
    long order();

    /** Tokens it has yet to append, one or more. */
    int pending();

    /** Whether it makes text: what it appends behind the first token are guesses. */
    boolean decoding();

    /** How many of {@code left} tokens it takes of a step that it reads its prompt in. */
    default int share(int left) {
      return Math.min(pending(), left);
    }
  }

  /** The cache's side. */
  interface Room<E> {
    /**
     * Gives {@code entry} a sequence with room for all it has yet to append, or does nothing.
     *
     * @param running entries that have one
     */
    boolean admit(E entry, int running);

    /** Makes room for {@code tokens} more, or does nothing. */
    boolean reserve(E entry, int tokens);

    /** Whether one entry's pages could be the other's; both were admitted. */
    boolean sharesRoom(E a, E b);

    /** Takes the sequence of an entry that was admitted. */
    void release(E entry);
  }

  /** What an entry appends. */
  record Grant<E>(E entry, int tokens) {}

  private final Room<E> room;
  private final int budget;
  private final int mostRunning;
  private final TreeSet<E> waiting = new TreeSet<>(Comparator.comparingLong(Entry::order));
  private final TreeSet<E> running = new TreeSet<>(Comparator.comparingLong(Entry::order));
  private long preemptions;

  /**
   * @param budget tokens of a step
   * @param mostRunning sequences in it, at most {@code budget}
   */
  Scheduler(Room<E> room, int budget, int mostRunning) {
    if (mostRunning < 1 || mostRunning > budget) {
      throw new IllegalArgumentException(
          "sequences: expected 1 to " + budget + ", the tokens of a step, found " + mostRunning);
    }
    this.room = room;
    this.budget = budget;
    this.mostRunning = mostRunning;
  }

  /** Puts {@code entry} in the queue, behind all that came before it. */
  void add(E entry) {
    waiting.add(entry);
  }

  boolean mayJoin() {
    return running.size() < mostRunning;
  }

  /** Takes in an entry that has its sequence already. */
  void join(E entry) {
    running.add(entry);
  }

  /** Forgets {@code entry}, which may be unknown, and takes its sequence. */
  void remove(E entry) {
    if (running.remove(entry)) {
      room.release(entry);
    } else {
      waiting.remove(entry);
    }
  }

  /** The next step, in order of arrival; empty if nobody can go on. */
  List<Grant<E>> next() {
    List<E> entries = new ArrayList<>(running);
    int[] shares = shares(entries);
    List<Grant<E>> step = new ArrayList<>();
    long before = preemptions;
    int left = budget;
    for (int i = 0; i < shares.length; i++) {
      left -= shares[i];
      int tokens = shares[i] == 0 ? 0 : makeRoom(entries.get(i), shares[i], before);
      if (tokens > 0) {
        step.add(new Grant<>(entries.get(i), tokens));
      }
    }
    if (preemptions == before) {
      admit(step, left);
    }
    return step;
  }

  /** Tokens of each of the running entries, which are in order of arrival. */
  private int[] shares(List<E> entries) {
    int left = budget;
    int[] shares = new int[entries.size()];
    int decoding = 0;
    for (E entry : entries) {
      decoding += entry.decoding() ? 1 : 0;
    }
    for (int i = 0; i < shares.length; i++) {
      if (entries.get(i).decoding()) {
        // one token each is certain: more than that only from what the others leave
        shares[i] = Math.min(entries.get(i).pending(), left - --decoding);
        left -= shares[i];
      }
    }
    for (int i = 0; i < shares.length; i++) {
      if (!entries.get(i).decoding()) {
        shares[i] = entries.get(i).share(left);
        left -= shares[i];
      }
    }
    return shares;
  }

  /**
   * The tokens there is room for; 0 if {@code entry} itself is not, or no longer, running.
   *
   * @param before preemptions when the step began
   */
  private int makeRoom(E entry, int share, long before) {
    int tokens = share;
    while (preemptions == before || running.contains(entry)) {
      if (room.reserve(entry, tokens)) {
        return tokens;
      }
      if (entry.decoding() && tokens > 1) {
        tokens = 1; // guesses push nobody out
      } else {
        preempt(youngest(entry));
      }
    }
    return 0;
  }

  /** Of those whose pages {@code entry} could take, itself among them. */
  private E youngest(E entry) {
    for (E other : running.descendingSet()) {
      if (room.sharesRoom(entry, other)) {
        return other;
      }
    }
    return entry;
  }

  private void preempt(E entry) {
    running.remove(entry);
    room.release(entry);
    waiting.add(entry);
    preemptions++;
  }

  private void admit(List<Grant<E>> step, int left) {
    while (left > 0
        && !waiting.isEmpty()
        && running.size() < mostRunning
        && room.admit(waiting.first(), running.size())) {
      E entry = waiting.removeFirst();
      running.add(entry);
      int tokens = entry.share(left);
      step.add(new Grant<>(entry, tokens));
      left -= tokens;
    }
  }

  Collection<E> running() {
    return Collections.unmodifiableCollection(running);
  }

  Collection<E> waiting() {
    return Collections.unmodifiableCollection(waiting);
  }

  /** How often a sequence had to give way. */
  long preemptions() {
    return preemptions;
  }
}
