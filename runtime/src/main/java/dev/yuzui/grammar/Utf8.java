package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Characters as bytes of UTF-8. */
final class Utf8 {
  private static final int[] LAST = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};

  private Utf8() {}

  /** One character of {@code set}. */
  static Regex regex(RegexPool pool, Charset set) {
    List<Regex> parts = new ArrayList<>();
    int first = 0;
    for (int length = 1; length <= 4; length++) {
      List<int[]> ranges = new ArrayList<>();
      for (int[] range : set.ranges()) {
        int from = Math.max(range[0], first);
        int to = Math.min(range[1], LAST[length - 1]);
        if (from <= to) {
          ranges.add(new int[] {from, to});
        }
      }
      if (!ranges.isEmpty()) {
        parts.add(bytes(pool, ranges, length - 1, length));
      }
      first = LAST[length - 1] + 1;
    }
    return pool.alt(parts);
  }

  /** The last {@code rest} + 1 bytes of characters that have {@code length}. */
  private static Regex bytes(RegexPool pool, List<int[]> ranges, int rest, int length) {
    int shift = 6 * rest;
    Map<Integer, List<int[]>> byByte = new TreeMap<>();
    ByteSet whole = ByteSet.NONE; // bytes that any others may follow
    for (int[] range : ranges) {
      for (int high = range[0] >> shift; high <= range[1] >> shift; high++) {
        int from = Math.max(range[0], high << shift) - (high << shift);
        int to = Math.min(range[1], (high << shift) + (1 << shift) - 1) - (high << shift);
        if (from == 0 && to == (1 << shift) - 1) {
          whole = whole.or(ByteSet.of(lead(high, length)));
        } else {
          byByte.computeIfAbsent(high, _ -> new ArrayList<>()).add(new int[] {from, to});
        }
      }
    }
    Map<Regex, ByteSet> byTail = new LinkedHashMap<>();
    byTail.put(pool.repeat(pool.bytes(ByteSet.range(0x80, 0xBF)), rest, rest), whole);
    byByte.forEach(
        (high, tails) -> {
          Regex tail = bytes(pool, tails, rest - 1, 0);
          byTail.merge(tail, ByteSet.of(lead(high, length)), ByteSet::or);
        });
    List<Regex> parts = new ArrayList<>();
    byTail.forEach((tail, set) -> parts.add(pool.concat(pool.bytes(set), tail)));
    return pool.alt(parts);
  }

  private static int lead(int bits, int length) {
    return switch (length) {
      case 0 -> 0x80 | bits;
      case 1 -> bits;
      case 2 -> 0xC0 | bits;
      case 3 -> 0xE0 | bits;
      default -> 0xF0 | bits;
    };
  }
}
