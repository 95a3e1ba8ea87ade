package dev.yuzui.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Turns tokens into text as they come. A token may end inside a character (byte-level BPE splits
 * emoji and rare Chinese characters): its bytes wait for the next token, so what is pushed out is
 * always well-formed. Bytes that can no longer become a character are U+FFFD.
 */
public final class TextStream {
  private final Tokenizer tokenizer;
  private final boolean skipSpecial;
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);
  private byte[] waiting = {};

  public TextStream(Tokenizer tokenizer, boolean skipSpecial) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
  }

  /** The text that {@code token} completes; may be empty. */
  public String push(int token) {
    return skipSpecial && tokenizer.isSpecial(token) ? "" : decode(tokenizer.bytes(token), false);
  }

  /** What still waits, as U+FFFD; the stream then starts anew. */
  public String finish() {
    String rest = decode(new byte[0], true);
    decoder.reset();
    return rest;
  }

  private String decode(byte[] more, boolean end) {
    if (waiting.length == 0 && isAscii(more)) {
      return new String(more, StandardCharsets.US_ASCII);
    }
    ByteBuffer in = ByteBuffer.allocate(waiting.length + more.length).put(waiting).put(more).flip();
    CharBuffer out = CharBuffer.allocate(in.remaining() + 1);
    decoder.decode(in, out, end);
    waiting = new byte[in.remaining()];
    in.get(waiting);
    return out.flip().toString();
  }

  private static boolean isAscii(byte[] bytes) {
    for (byte b : bytes) {
      if (b < 0) {
        return false;
      }
    }
    return true;
  }
}
