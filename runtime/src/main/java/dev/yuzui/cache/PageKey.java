package dev.yuzui.cache;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * What a full page contains: SHA-256 over the key of the page before it and the page's own tokens,
 * so over all tokens up to the page's end. A wrong match would put another text's entries under a
 * prompt, and prompts come from strangers: hence a hash that nobody can make collide.
 */
record PageKey(long a, long b, long c, long d) {
  /** Before the first page. */
  static final PageKey ROOT = new PageKey(0, 0, 0, 0);

  /** The page after this one, which holds {@code tokens[from … from + count - 1]}. */
  PageKey next(int[] tokens, int from, int count) {
    ByteBuffer text = ByteBuffer.allocate(32 + 4 * count);
    text.putLong(a).putLong(b).putLong(c).putLong(d);
    text.asIntBuffer().put(tokens, from, count);
    ByteBuffer hash = ByteBuffer.wrap(sha256().digest(text.array()));
    return new PageKey(hash.getLong(), hash.getLong(), hash.getLong(), hash.getLong());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }
}
