package dev.yuzui.spark;

import dev.yuzui.spark.CrashNotes.Lost;
import dev.yuzui.spark.CrashNotes.Note;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What one attempt at a task has under way, noted before the engine sees it, and what it is to make
 * of the notes of attempts before it whose processes are no more: what those had under way are
 * suspects, which are to be run alone; one that was alone when its process ended is lost.
 */
final class UnderWay {
  private final CrashNotes notes;
  private final Set<String> suspects = new LinkedHashSet<>();
  private final Set<String> lost;
  private final Set<String> noted = new HashSet<>();
  private Note last;

  private UnderWay(CrashNotes notes, Note none) {
    this.notes = notes;
    lost = notes.blamed();
    last = none;
  }

  /**
   * @param work the same for all attempts at it
   * @param attempt no other of the application has
   * @param patience until an executor is taken to be there still: then its attempt is not one
   *     before this, but beside it, and its notes are its own
   */
  static UnderWay begin(
      CrashNotes notes, String work, long attempt, String executor, Duration patience) {
    Note none = new Note(work, attempt, 0, executor, Optional.empty(), Optional.empty(), List.of());
    UnderWay mine = new UnderWay(notes, none);
    List<Note> all = notes.notes(work);
    Map<String, Optional<String>> executors = new HashMap<>();
    List<Note> overtaken = new ArrayList<>();
    for (Note note : all) {
      boolean old =
          all.stream()
              .anyMatch(n -> n.attempt() == note.attempt() && n.sequence() > note.sequence());
      Optional<String> why =
          note.gone()
              .or(
                  () ->
                      executors.computeIfAbsent(
                          note.executor(), of -> notes.awaitGone(of, patience)));
      why.ifPresent(
          reason -> {
            overtaken.add(note);
            if (!old) {
              mine.takeOver(note, reason);
            }
          });
    }
    mine.suspects.removeAll(mine.lost);
    if (!mine.suspects.isEmpty()) {
      mine.write(Optional.empty(), Optional.empty());
    }
    overtaken.forEach(notes::delete); // only now: this process may end at any moment too
    return mine;
  }

  private void takeOver(Note note, String reason) {
    note.alone()
        .ifPresent(
            request -> {
              notes.blame(request, new Lost(note.executor(), reason));
              lost.add(request);
            });
    suspects.addAll(note.underWay());
  }

  boolean isSuspect(String request) {
    return suspects.contains(request);
  }

  /** Of a request that is not to be run again. */
  Optional<Lost> lost(String request) {
    return lost.contains(request) ? Optional.of(notes.why(request)) : Optional.empty();
  }

  /** Of the file that has to go if a request is to be run again after all. */
  String fileOf(String request) {
    return notes.lost(request).toString();
  }

  boolean isNoted(String request) {
    return noted.contains(request);
  }

  /** In place of what was noted. */
  void note(Collection<String> requests) {
    noted.clear();
    noted.addAll(requests);
    write(Optional.empty(), Optional.empty());
  }

  /** A suspect that nothing else is in the process with, from now on. */
  void alone(String request) {
    write(Optional.of(request), Optional.empty());
  }

  /** It went well, or as wrong as a request may. */
  void cleared(String request) {
    suspects.remove(request);
  }

  /** No suspect is alone any longer. */
  void together() {
    write(Optional.empty(), Optional.empty());
  }

  /** All is answered. */
  void done() {
    deleteLast();
  }

  /** The attempt failed as attempts may: suspects that are left are the next one's. */
  void failed() {
    noted.clear();
    if (suspects.isEmpty()) {
      deleteLast();
    } else {
      write(Optional.empty(), Optional.of("the attempt failed"));
    }
  }

  /** The engine is no more, though the process is: what was under way is as suspect. */
  void engineLost(String reason) {
    if (last.sequence() > 0) {
      write(last.alone(), Optional.of(reason));
    }
  }

  private void write(Optional<String> alone, Optional<String> gone) {
    Set<String> underWay = new LinkedHashSet<>(suspects);
    underWay.addAll(noted);
    Note note =
        new Note(
            last.work(),
            last.attempt(),
            last.sequence() + 1,
            last.executor(),
            gone,
            alone,
            List.copyOf(underWay));
    notes.write(note);
    deleteLast();
    last = note;
  }

  private void deleteLast() {
    if (last.sequence() > 0) {
      notes.delete(last);
    }
  }
}
