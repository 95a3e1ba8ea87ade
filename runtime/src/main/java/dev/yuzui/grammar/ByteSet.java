package dev.yuzui.grammar;

/** A set of bytes, as four words of bits. */
record ByteSet(long a, long b, long c, long d) {
  static final ByteSet NONE = new ByteSet(0, 0, 0, 0);

  static ByteSet of(int value) {
    return range(value, value);
  }

  static ByteSet range(int from, int to) {
    long[] words = new long[4];
    for (int i = from; i <= to; i++) {
      words[i >> 6] |= 1L << i;
    }
    return new ByteSet(words[0], words[1], words[2], words[3]);
  }

  boolean contains(int value) {
    long word = value < 128 ? (value < 64 ? a : b) : (value < 192 ? c : d);
    return (word >>> value & 1) != 0;
  }

  ByteSet or(ByteSet o) {
    return new ByteSet(a | o.a, b | o.b, c | o.c, d | o.d);
  }

  boolean isEmpty() {
    return (a | b | c | d) == 0;
  }
}
