package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A set of Unicode's characters, surrogates not among them, as ranges in order. */
final class Charset {
  static final int LAST = 0x10FFFF;
  static final Charset NONE = new Charset(new int[0]);
  static final Charset ANY = range(0, LAST);

  /** First and last of each range. */
  private final int[] bounds;

  private Charset(int[] bounds) {
    this.bounds = bounds;
  }

  static Charset of(String characters) {
    Charset result = NONE;
    for (int c : characters.codePoints().toArray()) {
      result = result.or(range(c, c));
    }
    return result;
  }

  static Charset range(int from, int to) {
    List<int[]> parts = new ArrayList<>();
    parts.add(new int[] {from, Math.min(to, 0xD7FF)});
    parts.add(new int[] {Math.max(from, 0xE000), to});
    return normal(parts);
  }

  static Charset digit() {
    return range('0', '9');
  }

  static Charset word() {
    return digit().or(lower()).or(range('A', 'Z')).or(of("_"));
  }

  static Charset lower() {
    return range('a', 'z');
  }

  /** ECMAScript's white space and line ends. */
  static Charset space() {
    return of(" \t\n\u000B\f\r\u00A0\u1680\u2028\u2029\u202F\u205F\u3000\uFEFF")
        .or(range(0x2000, 0x200A));
  }

  /** What stands in a JSON string as it is. */
  static Charset jsonPlain() {
    return range(0x20, LAST).minus(of("\"\\"));
  }

  private static Charset normal(List<int[]> parts) {
    parts.removeIf(p -> p[0] > p[1]);
    parts.sort((x, y) -> Integer.compare(x[0], y[0]));
    List<int[]> joined = new ArrayList<>();
    for (int[] part : parts) {
      if (!joined.isEmpty() && part[0] <= joined.getLast()[1] + 1) {
        joined.getLast()[1] = Math.max(joined.getLast()[1], part[1]);
      } else {
        joined.add(part.clone());
      }
    }
    return new Charset(joined.stream().flatMapToInt(Arrays::stream).toArray());
  }

  List<int[]> ranges() {
    List<int[]> result = new ArrayList<>();
    for (int i = 0; i < bounds.length; i += 2) {
      result.add(new int[] {bounds[i], bounds[i + 1]});
    }
    return result;
  }

  Charset or(Charset other) {
    List<int[]> parts = ranges();
    parts.addAll(other.ranges());
    return normal(parts);
  }

  Charset not() {
    List<int[]> parts = new ArrayList<>();
    int next = 0;
    for (int[] range : ranges()) {
      parts.add(new int[] {next, range[0] - 1});
      next = range[1] + 1;
    }
    parts.add(new int[] {next, LAST});
    Charset result = NONE;
    List<int[]> clean = new ArrayList<>();
    for (int[] part : parts) {
      if (part[0] <= part[1]) {
        clean.addAll(range(part[0], part[1]).ranges());
      }
    }
    return clean.isEmpty() ? result : normal(clean);
  }

  Charset and(Charset other) {
    return not().or(other.not()).not();
  }

  Charset minus(Charset other) {
    return not().or(other).not();
  }

  boolean isEmpty() {
    return bounds.length == 0;
  }

  boolean contains(int c) {
    for (int i = 0; i < bounds.length; i += 2) {
      if (c >= bounds[i] && c <= bounds[i + 1]) {
        return true;
      }
    }
    return false;
  }

  /** With the other case of each ASCII letter. */
  Charset ignoringCase() {
    Charset result = this;
    for (int c = 'a'; c <= 'z'; c++) {
      int upper = c - 'a' + 'A';
      if (contains(c) != contains(upper)) {
        result = result.or(range(c, c)).or(range(upper, upper));
      }
    }
    return result;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Charset o && Arrays.equals(bounds, o.bounds);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bounds);
  }
}
