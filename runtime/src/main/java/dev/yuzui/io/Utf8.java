package dev.yuzui.io;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/**
 * Text out of bytes, the same wherever text comes in: UTF-8 and nothing else, for a byte that is
 * read wrongly is another text.
 */
public final class Utf8 {
  private Utf8() {}

  /** Bytes that are no UTF-8. The message says what was found, where, and what to do. */
  public static final class NotUtf8Exception extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String found;
    private final String fix;

    private NotUtf8Exception(String found, String fix) {
      super("expected UTF-8 text, found " + found + "; " + fix);
      this.found = found;
      this.fix = fix;
    }

    /** {@code byte 0xE9 at offset 3}. */
    public String found() {
      return found;
    }

    public String fix() {
      return fix;
    }
  }

  /**
   * A file as its writer meant it: a byte order mark in front is no part of the text, and CRLF is
   * an editor's newline.
   *
   * @throws NotUtf8Exception if the bytes are something else
   */
  public static String file(byte[] bytes) {
    requireNoUtf16(bytes, bytes.length);
    int mark = markLength(bytes, bytes.length);
    return text(bytes, mark, bytes.length - mark, 0).replace("\r\n", "\n");
  }

  /**
   * These bytes and no others.
   *
   * @param before bytes in front of {@code bytes}, for the offset of the message
   * @throws NotUtf8Exception if they are no UTF-8
   */
  public static String text(byte[] bytes, int from, int length, long before) {
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    ByteBuffer in = ByteBuffer.wrap(bytes, from, length);
    CharBuffer out = CharBuffer.allocate(length);
    CoderResult result = decoder.decode(in, out, true);
    if (result.isError()) {
      throw new NotUtf8Exception(
          "byte 0x%02X at offset %d".formatted(bytes[in.position()], before + in.position()),
          "convert it with iconv -f ITS-ENCODING -t UTF-8");
    }
    return out.flip().toString();
  }

  /** Of the byte order mark that the first {@code length} bytes begin with; 0 if they do not. */
  public static int markLength(byte[] bytes, int length) {
    boolean mark =
        length >= 3
            && bytes[0] == (byte) 0xEF
            && bytes[1] == (byte) 0xBB
            && bytes[2] == (byte) 0xBF;
    return mark ? 3 : 0;
  }

  /**
   * @param length of what is there of {@code bytes}, which begin a file
   * @throws NotUtf8Exception if that is how a file in UTF-16 begins
   */
  public static void requireNoUtf16(byte[] bytes, int length) {
    if (length >= 2
        && ((bytes[0] == (byte) 0xFF && bytes[1] == (byte) 0xFE)
            || (bytes[0] == (byte) 0xFE && bytes[1] == (byte) 0xFF))) {
      throw new NotUtf8Exception(
          "UTF-16, which begins with bytes %02X %02X".formatted(bytes[0], bytes[1]),
          "convert it with iconv -f UTF-16 -t UTF-8");
    }
  }
}
