package dev.yuzui.cli.shell;

import dev.yuzui.io.Texts;

/** Which memory ran out, how much of it there was, and what gives more. */
public final class OutOfMemory {
  private static final String USE_LESS =
      "use a smaller -c or -b, --kv-cache-dtype q8_0, or a smaller model";

  private OutOfMemory() {}

  /**
   * @param heap bytes that the Java heap may have, as this JVM was started
   */
  public static String explain(OutOfMemoryError e, long heap) {
    String what = String.valueOf(e.getMessage());
    String more = "JDK_JAVA_OPTIONS=-Xmx" + 2 * Math.max(1, (heap + (1L << 30) - 1) >> 30) + "g";
    if (what.contains("direct buffer memory")) {
      return "out of memory outside the heap ("
          + what
          + "): "
          + USE_LESS
          + "; the limit is the heap's, which "
          + more
          + " raises";
    }
    if (what.contains("heap space")
        || what.contains("GC overhead")
        || what.contains("array size")) {
      return "out of memory ("
          + what
          + "): the Java heap may have "
          + Texts.bytes(heap)
          + "; raise it with "
          + more
          + ", or "
          + USE_LESS;
    }
    return "out of memory (" + what + "): " + USE_LESS;
  }
}
