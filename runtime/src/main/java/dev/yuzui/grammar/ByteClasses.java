package dev.yuzui.grammar;

import java.util.Arrays;

/** A partition of the bytes: those of one class lead to the same next state. */
final class ByteClasses {
  static final ByteClasses ONE = new ByteClasses(new byte[256], 1);

  private final byte[] map;
  private final int count;
  private final int hash;

  private ByteClasses(byte[] map, int count) {
    this.map = map;
    this.count = count;
    hash = Arrays.hashCode(map);
  }

  static ByteClasses of(ByteSet set) {
    byte[] map = new byte[256];
    boolean first = set.contains(0);
    int count = 1;
    for (int b = 1; b < 256; b++) {
      if (set.contains(b) != first) {
        map[b] = 1;
        count = 2;
      }
    }
    return new ByteClasses(map, count);
  }

  /** The coarsest partition that is as fine as both. */
  ByteClasses meet(ByteClasses other) {
    if (count == 1) {
      return other;
    }
    if (other.count == 1 || equals(other)) {
      return this;
    }
    short[] pairs = new short[count * other.count];
    byte[] result = new byte[256];
    int found = 0;
    for (int b = 0; b < 256; b++) {
      int pair = (map[b] & 255) * other.count + (other.map[b] & 255);
      if (pairs[pair] == 0) {
        pairs[pair] = (short) ++found;
      }
      result[b] = (byte) (pairs[pair] - 1);
    }
    return new ByteClasses(result, found);
  }

  int of(int value) {
    return map[value] & 255;
  }

  int count() {
    return count;
  }

  /** One byte of each class. */
  int[] representatives() {
    int[] result = new int[count];
    int found = 0;
    // classes are numbered as they appear
    for (int b = 0; b < 256 && found < count; b++) {
      if ((map[b] & 255) == found) {
        result[found++] = b;
      }
    }
    return result;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ByteClasses o && hash == o.hash && Arrays.equals(map, o.map);
  }

  @Override
  public int hashCode() {
    return hash;
  }
}
