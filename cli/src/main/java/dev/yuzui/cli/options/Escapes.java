package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.UsageException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** What shells cannot type easily, written as in llama.cpp's {@code -e}. */
final class Escapes {
  private Escapes() {}

  /**
   * {@code text} with {@code \n \r \t \' \" \\} and {@code \xHH}, a byte, replaced by what they
   * stand for. A backslash before anything else stays.
   *
   * @throws UsageException if the bytes make no UTF-8
   */
  static String replaced(String flag, String text) {
    byte[] from = text.getBytes(StandardCharsets.UTF_8);
    var out = new ByteArrayOutputStream(from.length);
    for (int i = 0; i < from.length; i++) {
      int next = from[i] == '\\' && i + 1 < from.length ? from[i + 1] : 0;
      int byHex = next == 'x' && i + 3 < from.length ? hex(from[i + 2], from[i + 3]) : -1;
      int plain =
          switch (next) {
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case '\'', '"', '\\' -> next;
            default -> -1;
          };
      if (byHex >= 0) {
        out.write(byHex);
        i += 3;
      } else if (plain >= 0) {
        out.write(plain);
        i++;
      } else {
        out.write(from[i]);
      }
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(out.toByteArray()))
          .toString();
    } catch (CharacterCodingException _) {
      throw UsageException.ofFlag(
          flag + " with -e", "\\xHH that make UTF-8, such as \\xc3\\xa9", "other bytes");
    }
  }

  private static int hex(byte high, byte low) {
    return HexFormat.isHexDigit(high) && HexFormat.isHexDigit(low)
        ? 16 * HexFormat.fromHexDigit(high) + HexFormat.fromHexDigit(low)
        : -1;
  }
}
