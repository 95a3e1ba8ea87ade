package dev.yuzui.cli.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TextLinesTest {
  private static List<String> lines(byte[] bytes) {
    TextLines lines = new TextLines(new ByteArrayInputStream(bytes));
    List<String> all = new ArrayList<>();
    for (Optional<String> line = lines.next(); line.isPresent(); line = lines.next()) {
      all.add(line.get());
    }
    return all;
  }

  private static List<String> lines(String text) {
    return lines(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void linesEndWithANewlineOrTheInput() {
    assertEquals(List.of("a", "", "ü"), lines("a\n\nü"));
    assertEquals(List.of("a"), lines("a\n"));
    assertEquals(List.of(), lines(""));
    String longer = "ü".repeat(30_000);
    assertEquals(List.of(longer, longer), lines(longer + "\n" + longer));
  }

  @Test
  void editorsMarksAndNewlinesAreNoPartOfTheText() {
    assertEquals(List.of("a", "", "b\rc", "\uFEFFd"), lines("\uFEFFa\r\n\r\nb\rc\n\uFEFFd"));
  }

  @Test
  void aLineThatIsNoTextIsRefusedWithItsPlaceAndTheNextOneRead() {
    TextLines lines =
        new TextLines(
            new ByteArrayInputStream("ok\ncaf\u00e9\nü\n".getBytes(StandardCharsets.ISO_8859_1)));
    assertEquals(Optional.of("ok"), lines.next());
    String message = assertThrows(UsageException.class, lines::next).getMessage();
    assertEquals(
        "standard input: expected UTF-8 text, found byte 0xE9 at offset 6; convert it with iconv -f"
            + " ITS-ENCODING -t UTF-8",
        message);
    message = assertThrows(UsageException.class, lines::next).getMessage();
    assertEquals(true, message.contains("byte 0xFC at offset 8"), message);
    assertEquals(Optional.empty(), lines.next());
  }

  @Test
  void ofAnotherEncodingNothingIsRead() {
    TextLines lines =
        new TextLines(new ByteArrayInputStream("\uFEFFa\nb\n".getBytes(StandardCharsets.UTF_16LE)));
    String message = assertThrows(UsageException.class, lines::next).getMessage();
    assertEquals(true, message.contains("UTF-16"), message);
    assertEquals(Optional.empty(), lines.next());
  }

  @Test
  void aLineIsThereAsSoonAsItIsWritten() {
    InputStream waits =
        new InputStream() {
          private final byte[] first = "a\n".getBytes(StandardCharsets.UTF_8);
          private int at;

          @Override
          public int read() {
            throw new AssertionError("asked byte by byte");
          }

          @Override
          public int read(byte[] block, int from, int length) {
            if (at == first.length) {
              throw new AssertionError("waited for what nobody has written yet");
            }
            block[from] = first[at++];
            return 1;
          }
        };
    assertEquals(Optional.of("a"), new TextLines(waits).next());
  }
}
