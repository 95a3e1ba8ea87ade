package dev.yuzui.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * GPT-2's byte-level alphabet: each of the 256 bytes is written as one printable character.
 * Printable Latin-1 bytes stand for themselves, the other 68 are written as U+0100 and up, in
 * order.
 */
final class ByteAlphabet {
  private static final char[] CHAR_OF_BYTE = new char[256];
  private static final short[] BYTE_OF_CHAR = new short[0x100 + 68];

  static {
    Arrays.fill(BYTE_OF_CHAR, (short) -1);
    char next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable =
          (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
      CHAR_OF_BYTE[b] = printable ? (char) b : next++;
      BYTE_OF_CHAR[CHAR_OF_BYTE[b]] = (short) b;
    }
  }

  private ByteAlphabet() {}

  /** Bytes of a vocabulary entry; characters outside the alphabet stand for themselves. */
  static byte[] bytes(String token) {
    byte[] bytes = new byte[token.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = token.charAt(i);
      if (c >= BYTE_OF_CHAR.length || BYTE_OF_CHAR[c] < 0) {
        return bytesOfOthersToo(token);
      }
      bytes[i] = (byte) BYTE_OF_CHAR[c];
    }
    return bytes;
  }

  private static byte[] bytesOfOthersToo(String token) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(token.length());
    token
        .codePoints()
        .forEach(
            c -> {
              if (c < BYTE_OF_CHAR.length && BYTE_OF_CHAR[c] >= 0) {
                out.write(BYTE_OF_CHAR[c]);
              } else {
                out.writeBytes(Character.toString(c).getBytes(StandardCharsets.UTF_8));
              }
            });
    return out.toByteArray();
  }

  /** The character that stands for byte {@code b}, 0 to 255. */
  static char charOf(int b) {
    return CHAR_OF_BYTE[b];
  }
}
