package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.batch.BatchLines.Line;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class BatchLinesTest {
  private static List<Line> lines(String text) {
    try (BatchLines in =
        new BatchLines(
            "-i test", new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)))) {
      List<Line> lines = new ArrayList<>();
      for (Optional<Line> line = in.next(); line.isPresent(); line = in.next()) {
        lines.add(line.get());
      }
      return lines;
    }
  }

  private static List<String> texts(String text) {
    return lines(text).stream()
        .map(
            line ->
                line.number()
                    + ":"
                    + new String(line.bytes().orElseThrow(), StandardCharsets.UTF_8))
        .toList();
  }

  @Test
  void blankLinesAreCountedAndLeftOut() {
    assertEquals(List.of("1:a", "4:b", "6:c"), texts("a\n\n \t\nb\n\r\nc"));
    assertEquals(List.of("1:a"), texts("a\n"));
    assertEquals(List.of(), texts(""));
    assertEquals(List.of(), texts("\n\n"));
  }

  @Test
  void aByteOrderMarkIsNoPartOfTheFirstLine() {
    assertEquals(List.of("1:a", "2:\uFEFFb"), texts("\uFEFFa\n\uFEFFb"));
    assertEquals(List.of(), texts("\uFEFF"));
    assertEquals(List.of("1:é"), texts("é"));
  }

  @Test
  void anotherEncodingIsRefusedWithWhatToDo() {
    try (BatchLines in =
        new BatchLines(
            "-i test", new ByteArrayInputStream("{}\n".getBytes(StandardCharsets.UTF_16)))) {
      String message = assertThrows(BatchException.class, in::next).getMessage();
      assertEquals(
          "-i test: expected UTF-8 text, found UTF-16, which begins with bytes FE FF; convert it"
              + " with iconv -f UTF-16 -t UTF-8",
          message);
    }
  }

  @Test
  void linesLongerThanABlockComeWhole() {
    String longer = "x".repeat(200_000);
    assertEquals(List.of("1:" + longer, "2:y"), texts(longer + "\ny\n"));
  }

  @Test
  void aLineOverTheLimitIsPassedOverAndTheNextOneRead() {
    List<Line> lines =
        lines(
            "a\n" + "x".repeat(BatchLines.LIMIT) + "\n" + "x".repeat(BatchLines.LIMIT + 1) + "\nb");
    assertEquals(
        List.of(true, true, false, true), lines.stream().map(l -> l.bytes().isPresent()).toList());
  }

  @Test
  void theChecksumIsThatOfTheLineAlone() {
    assertEquals(lines("a\nab").get(1).crc(), lines("ab\nc").get(0).crc());
    assertNotEquals(lines("ab").get(0).crc(), lines("ac").get(0).crc());
  }
}
