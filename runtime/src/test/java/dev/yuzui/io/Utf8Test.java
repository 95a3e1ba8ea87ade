package dev.yuzui.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.io.Utf8.NotUtf8Exception;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Utf8Test {
  private static byte[] hex(String bytes) {
    return HexFormat.ofDelimiter(" ").parseHex(bytes);
  }

  private static String file(String text) {
    return Utf8.file(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aMarkInFrontAndCarriageReturnsOfNewlinesAreNoText() {
    assertEquals("a\nb\n\n", file("\uFEFFa\r\nb\n\r\n"));
    assertEquals("", file("\uFEFF"));
    assertEquals("a\uFEFF\rb\r", file("a\uFEFF\rb\r"), "elsewhere they are");
    assertEquals("\uFEFFa", file("\uFEFF\uFEFFa"), "one mark, no more");
  }

  @ParameterizedTest
  @CsvSource({
    "63 61 66 E9, 0xE9, 3", // Latin-1
    "C3 A9 C3, 0xC3, 2", // cut off
    "61 ED A0 80, 0xED, 1", // half of a surrogate pair
    "C0 80, 0xC0, 0", // too long a form of NUL
    "EF BB BF 80, 0x80, 3", // counted from the file's begin
    "F4 90 80 80, 0xF4, 0" // beyond Unicode
  })
  void theFirstByteThatIsNoTextIsNamed(String bytes, String found, int offset) {
    var e = assertThrows(NotUtf8Exception.class, () -> Utf8.file(hex(bytes)));
    assertEquals("byte " + found + " at offset " + offset, e.found());
  }

  @ParameterizedTest
  @CsvSource({"FF FE 61 00, FF FE", "FE FF 00 61, FE FF", "FF FE, FF FE"})
  void utf16IsNamedWithTheFix(String bytes, String mark) {
    var e = assertThrows(NotUtf8Exception.class, () -> Utf8.file(hex(bytes)));
    assertEquals("UTF-16, which begins with bytes " + mark, e.found());
    assertEquals("convert it with iconv -f UTF-16 -t UTF-8", e.fix());
  }

  @Test
  void offsetsCountWhatWasReadBefore() {
    byte[] bytes = hex("61 E9 61");
    var e = assertThrows(NotUtf8Exception.class, () -> Utf8.text(bytes, 1, 2, 100));
    assertEquals("byte 0xE9 at offset 101", e.found());
    assertEquals("a", Utf8.text(bytes, 2, 1, 100));
  }

  @Property(tries = 200)
  void textWithoutThoseIsLeftAsItIs(@ForAll @StringLength(max = 40) String any) {
    String text = new String(any.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    assertEquals(text, Utf8.text(bytes, 0, bytes.length, 0));
  }
}
