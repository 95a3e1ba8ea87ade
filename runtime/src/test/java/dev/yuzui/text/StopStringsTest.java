package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class StopStringsTest {

  @Test
  void aStopStringAcrossPiecesEndsTheText() {
    StopStrings stops = new StopStrings(List.of("\nUser:"));
    assertEquals("Hello.", stops.push("Hello."));
    assertEquals("", stops.push("\nUs"));
    assertEquals("\nUsu", stops.push("u"));
    assertEquals("al", stops.push("al\n"));
    assertEquals("", stops.push("User"));
    assertFalse(stops.stopped());
    assertEquals("", stops.push(": more"));
    assertTrue(stops.stopped());
    assertEquals("", stops.push("and more"));
    assertEquals("", stops.finish());
  }

  @Test
  void whatWasHeldBackForNothingComesAtTheEnd() {
    StopStrings stops = new StopStrings(List.of("###"));
    assertEquals("a ", stops.push("a ##"));
    assertEquals("##", stops.finish());
    assertFalse(stops.stopped());
  }

  @Test
  void theStopStringThatIsCompletedFirstWins() {
    StopStrings stops = new StopStrings(List.of("abcd", "bc"));
    assertEquals("xa", stops.push("xabcd"));
    assertTrue(stops.stopped());
  }

  @Test
  void anEmptyStopStringIsRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> new StopStrings(List.of("")));
    assertTrue(e.getMessage().startsWith("stop:"));
  }

  @Property
  void whereThePiecesAreCutMakesNoDifference(
      @ForAll("letters") String text,
      @ForAll("stops") List<String> stops,
      @ForAll @Size(max = 8) List<@IntRange(max = 30) Integer> cuts) {
    String expected = text;
    boolean found = false;
    for (int end = 1; end <= text.length() && !found; end++) {
      String head = text.substring(0, end);
      int cut = stops.stream().filter(head::endsWith).mapToInt(String::length).max().orElse(-1);
      if (cut >= 0) {
        expected = head.substring(0, end - cut);
        found = true;
      }
    }
    StopStrings filter = new StopStrings(stops);
    StringBuilder out = new StringBuilder();
    int at = 0;
    for (int cut : cuts.stream().sorted().toList()) {
      int to = Math.clamp(cut, at, text.length());
      out.append(filter.push(text.substring(at, to)));
      at = to;
    }
    out.append(filter.push(text.substring(at))).append(filter.finish());
    assertEquals(expected, out.toString());
    assertEquals(found, filter.stopped());
  }

  @Provide
  Arbitrary<String> letters() {
    return Arbitraries.strings().withChars("abc").ofMaxLength(30);
  }

  @Provide
  Arbitrary<List<String>> stops() {
    return Arbitraries.strings().withChars("abc").ofMinLength(1).ofMaxLength(5).list().ofMaxSize(3);
  }
}
