package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class TextStreamTest {
  private static final String V3 = "deepseek-v3/";

  @Property(tries = 300)
  void whatIsEncodedStreamsBackWhole(@ForAll("unicode") String text) {
    Tokenizer tokenizer = Shared.tokenizer(V3);
    int[] ids = tokenizer.encode(text, false, false);
    assertEquals(text, String.join("", stream(tokenizer, ids)));
    assertEquals(text, tokenizer.decode(ids, false));
  }

  @Property(tries = 300)
  void anyTokensStreamAsTheyDecodeTogether(
      @ForAll @Size(max = 30) List<@IntRange(min = 3, max = 127_999) Integer> tokens) {
    Tokenizer tokenizer = Shared.tokenizer(V3);
    int[] ids = tokens.stream().mapToInt(i -> i).toArray();
    var bytes = new ByteArrayOutputStream();
    for (int id : ids) {
      bytes.writeBytes(tokenizer.bytes(id));
    }
    List<String> pieces = stream(tokenizer, ids);
    assertEquals(bytes.toString(StandardCharsets.UTF_8), String.join("", pieces));
    for (String piece : pieces) {
      assertTrue(piece.codePoints().noneMatch(c -> c >= 0xD800 && c <= 0xDFFF), "lone surrogate");
    }
  }

  @Test
  void anEmojiSplitOverTokensComesOutAtItsLastByte() {
    Tokenizer tokenizer = Shared.tokenizer(V3);
    int[] bytes = byteTokens(tokenizer, "🦜");
    assertEquals(List.of("", "", "", "🦜", ""), stream(tokenizer, bytes));
  }

  @Test
  void aCharacterThatNeverEndsIsOneReplacement() {
    Tokenizer tokenizer = Shared.tokenizer(V3);
    int[] bytes = byteTokens(tokenizer, "🦜");
    int[] cut = {bytes[0], bytes[1], bytes[2]};
    assertEquals(List.of("", "", "", "\uFFFD"), stream(tokenizer, cut));
    int[] broken = {bytes[0], bytes[1], tokenizer.encode("a", false)[0]};
    assertEquals(List.of("", "", "\uFFFDa", ""), stream(tokenizer, broken));
    int[] impossible = {byteToken(tokenizer, 0xFF)};
    assertEquals(List.of("\uFFFD", ""), stream(tokenizer, impossible));
  }

  @Test
  void specialTokensAreSkippedOrShown() {
    Tokenizer tokenizer = Shared.tokenizer(V3);
    int[] ids = tokenizer.encode("a<｜end▁of▁sentence｜>b", false);
    assertEquals("ab", tokenizer.decode(ids, true));
    assertEquals("a<｜end▁of▁sentence｜>b", tokenizer.decode(ids, false));
  }

  /** The pieces, then what finishing adds. */
  private static List<String> stream(Tokenizer tokenizer, int[] ids) {
    TextStream stream = new TextStream(tokenizer, false);
    List<String> out = new ArrayList<>();
    for (int id : ids) {
      out.add(stream.push(id));
    }
    out.add(stream.finish());
    assertFalse(out.getLast().contains("\uFFFD") && out.getLast().length() > 1);
    return out;
  }

  private static int[] byteTokens(Tokenizer tokenizer, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int[] ids = new int[bytes.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = byteToken(tokenizer, bytes[i] & 0xFF);
    }
    return ids;
  }

  private static int byteToken(Tokenizer tokenizer, int b) {
    for (int id = 3; id < 1000; id++) {
      byte[] bytes = tokenizer.bytes(id);
      if (bytes.length == 1 && (bytes[0] & 0xFF) == b) {
        return id;
      }
    }
    throw new AssertionError("no token for byte " + b);
  }

  @Provide
  Arbitrary<String> unicode() {
    Arbitrary<Integer> codePoints =
        Arbitraries.oneOf(
            Arbitraries.integers().between(0, 0x7F),
            Arbitraries.integers().between(0x80, 0xD7FF),
            Arbitraries.integers().between(0xE000, 0x10FFFF),
            Arbitraries.integers().between(0x1F300, 0x1FAFF));
    return codePoints
        .list()
        .ofMaxSize(40)
        .map(
            list -> {
              StringBuilder text = new StringBuilder();
              list.forEach(text::appendCodePoint);
              return text.toString();
            });
  }
}
