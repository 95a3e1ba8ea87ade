package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spark.CrashNotes.Lost;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What attempts learn of those before them. A process that ends is an attempt that says no more.
 */
class UnderWayTest {
  private static final String WORK = "3-1-a";
  private static final Duration AT_ONCE = Duration.ZERO;

  @TempDir private java.nio.file.Path folder;
  private CrashNotes notes;

  @BeforeEach
  void begin() throws IOException {
    notes = of("app-1");
  }

  private CrashNotes of(String application) throws IOException {
    Path crash = new Path(folder.resolve("crash").toUri());
    FileSystem files = crash.getFileSystem(new Configuration());
    return new CrashNotes(files, crash, application);
  }

  private UnderWay attempt(long number, String executor) {
    return UnderWay.begin(notes, WORK, number, executor, AT_ONCE);
  }

  private List<String> left() throws IOException {
    java.nio.file.Path attempts = folder.resolve("crash/attempts/app-1");
    if (!Files.exists(attempts)) {
      return List.of();
    }
    try (Stream<java.nio.file.Path> all = Files.list(attempts)) {
      return all.map(file -> file.getFileName().toString())
          .filter(name -> !name.endsWith(".crc"))
          .sorted()
          .toList();
    }
  }

  @Test
  void whatWasUnderWayIsSuspectAndWhatWasAloneIsLost() throws IOException {
    UnderWay first = attempt(10, "0");
    first.note(List.of("a", "b", "c"));
    assertTrue(first.isNoted("a"));
    assertFalse(first.isSuspect("a"));
    notes.gone("0", "exited with code 137");

    UnderWay second = attempt(11, "1");
    assertTrue(
        Stream.of("a", "b", "c").allMatch(second::isSuspect), "each may have ended the process");
    assertFalse(second.isSuspect("d"));
    assertEquals(Optional.empty(), second.lost("b"), "nothing is known yet");
    second.alone("a");
    second.cleared("a");
    second.alone("b");
    notes.gone("1", "exited with code 137 again");

    UnderWay third = attempt(12, "2");
    assertEquals(Optional.of(new Lost("1", "exited with code 137 again")), third.lost("b"));
    assertFalse(third.isSuspect("b"), "it is not run again");
    assertFalse(third.isSuspect("a"), "it was alone and went well");
    assertTrue(third.isSuspect("c"), "its turn did not come");
    assertTrue(Files.exists(java.nio.file.Path.of(java.net.URI.create(third.fileOf("b")))));
  }

  @Test
  void asManyAreFoundAsThereAre() {
    attempt(1, "0").note(List.of("a", "b", "c"));
    notes.gone("0", "lost");
    attempt(2, "1").alone("a");
    notes.gone("1", "lost");
    attempt(3, "2").alone("c");
    notes.gone("2", "lost");
    UnderWay last = attempt(4, "3");
    assertTrue(last.lost("a").isPresent());
    assertTrue(last.lost("c").isPresent());
    assertTrue(last.isSuspect("b"));
  }

  @Test
  void anAttemptThatEndsWellLeavesNothing() throws IOException {
    attempt(1, "0").note(List.of("a", "b"));
    notes.gone("0", "lost");
    UnderWay second = attempt(2, "1");
    second.alone("a");
    second.cleared("a");
    second.together();
    second.note(List.of("c", "d"));
    assertEquals(List.of("3-1-a.2.4", "gone-0"), left(), "one note of an attempt at a time");
    second.done();
    assertEquals(List.of("gone-0"), left());
  }

  @Test
  void anAttemptThatFailsHandsOnItsSuspectsAndNothingOfItsOwn() throws IOException {
    attempt(1, "0").note(List.of("a", "b"));
    notes.gone("0", "lost");
    UnderWay second = attempt(2, "1");
    second.alone("a");
    second.note(List.of("c"));
    second.failed();
    UnderWay third = attempt(3, "1");
    assertTrue(third.isSuspect("a"));
    assertTrue(third.isSuspect("b"));
    assertFalse(third.isSuspect("c"), "its process is there still");
    assertEquals(Optional.empty(), third.lost("a"));

    UnderWay other = UnderWay.begin(notes, "3-2-a", 4, "1", AT_ONCE);
    other.note(List.of("x"));
    other.failed();
    assertEquals(List.of("3-1-a.3.1", "gone-0"), left());
  }

  @Test
  void anAttemptBesideThisOneIsNoEvidence() throws IOException {
    UnderWay beside = attempt(1, "0");
    beside.note(List.of("a"));
    beside.alone("a");
    UnderWay second = attempt(2, "1");
    assertEquals(Optional.empty(), second.lost("a"));
    assertFalse(second.isSuspect("a"));
    assertEquals(List.of("3-1-a.1.2"), left(), "its notes are its own");
  }

  @Test
  void otherPartitionsAndStagesAreOthers() {
    attempt(1, "0").note(List.of("a"));
    notes.gone("0", "lost");
    assertFalse(UnderWay.begin(notes, "3-11-a", 2, "1", AT_ONCE).isSuspect("a"));
    assertTrue(attempt(3, "1").isSuspect("a"));
  }

  @Test
  void halfANoteSaysNothingAndTheOneBeforeItCounts() throws IOException {
    attempt(1, "0").note(List.of("a"));
    Files.writeString(folder.resolve("crash/attempts/app-1/3-1-a.1.2"), "{\"executor\":\"0\",\"al");
    Files.writeString(folder.resolve("crash/attempts/app-1/3-1-a.7.1"), "");
    notes.gone("0", "lost");
    assertTrue(attempt(2, "1").isSuspect("a"));
  }

  @Test
  void anEngineThatIsNoMoreIsAsAProcess() {
    UnderWay first = attempt(1, "0");
    first.note(List.of("a", "b"));
    first.engineLost("the device is gone");
    UnderWay second = attempt(2, "0");
    assertTrue(second.isSuspect("a"));
    second.alone("a");
    second.engineLost("the device is gone again");
    UnderWay third = attempt(3, "0");
    assertEquals(Optional.of(new Lost("0", "the device is gone again")), third.lost("a"));
    assertTrue(third.isSuspect("b"));
  }

  @Test
  void whatIsLostOutlivesTheApplicationAndWhatWasUnderWayDoesNot() throws IOException {
    attempt(1, "0").note(List.of("a", "b"));
    notes.gone("0", "lost");
    attempt(2, "1").alone("a");
    notes.gone("1", "lost");
    attempt(3, "2");
    notes = of("app-2");
    notes.forgetOthers();
    assertEquals(List.of(), left());
    UnderWay later = attempt(1, "0");
    assertEquals(Optional.of(new Lost("1", "lost")), later.lost("a"));
    assertFalse(later.isSuspect("b"));
  }
}
