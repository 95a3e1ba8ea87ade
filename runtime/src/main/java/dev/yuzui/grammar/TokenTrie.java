package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Texts of tokens as a tree, depth first in arrays: what lies below node {@code i} ends before
 * {@code end[i]}.
 */
final class TokenTrie {
  final byte[] value;
  final int[] end;
  final int[] depth;

  /** The first of a node's tokens in {@code tokens}; one more entry than nodes. */
  final int[] from;

  final int[] tokens;
  final int deepest;

  private TokenTrie(byte[] value, int[] end, int[] depth, int[] from, int[] tokens) {
    this.value = value;
    this.end = end;
    this.depth = depth;
    this.from = from;
    this.tokens = tokens;
    deepest = Arrays.stream(depth).max().orElse(-1) + 1;
  }

  int size() {
    return value.length;
  }

  /** A token and the place in its bytes where its text in the tree begins. */
  record Entry(int token, byte[] bytes, int start) {
    int length() {
      return bytes.length - start;
    }
  }

  /** Entries of no length are left out. */
  static TokenTrie of(List<Entry> entries) {
    Entry[] sorted = entries.stream().filter(e -> e.length() > 0).toArray(Entry[]::new);
    Arrays.sort(
        sorted,
        (x, y) ->
            Arrays.compareUnsigned(
                x.bytes, x.start, x.bytes.length, y.bytes, y.start, y.bytes.length));
    Builder builder = new Builder();
    List<Integer> path = new ArrayList<>(); // nodes that lead to the entry before
    byte[] before = {};
    int beforeStart = 0;
    for (Entry entry : sorted) {
      int common =
          Arrays.mismatch(
              before, beforeStart, before.length, entry.bytes, entry.start, entry.bytes.length);
      if (common < 0) {
        common = entry.length();
      }
      while (path.size() > common) {
        builder.close(path.removeLast());
      }
      for (int i = common; i < entry.length(); i++) {
        path.add(builder.open(entry.bytes[entry.start + i], i));
      }
      builder.token(entry.token);
      before = entry.bytes;
      beforeStart = entry.start;
    }
    while (!path.isEmpty()) {
      builder.close(path.removeLast());
    }
    return builder.done();
  }

  private static final class Builder {
    private byte[] value = new byte[16];
    private int[] end = new int[16];
    private int[] depth = new int[16];
    private int[] from = new int[17];
    private int[] tokens = new int[16];
    private int nodes;
    private int held;

    int open(byte b, int at) {
      if (nodes == value.length) {
        value = Arrays.copyOf(value, nodes * 2);
        end = Arrays.copyOf(end, nodes * 2);
        depth = Arrays.copyOf(depth, nodes * 2);
        from = Arrays.copyOf(from, nodes * 2 + 1);
      }
      value[nodes] = b;
      depth[nodes] = at;
      from[nodes] = held;
      return nodes++;
    }

    void close(int node) {
      end[node] = nodes;
    }

    /** Of the node that was opened last. */
    void token(int token) {
      if (held == tokens.length) {
        tokens = Arrays.copyOf(tokens, held * 2);
      }
      tokens[held++] = token;
    }

    TokenTrie done() {
      from[nodes] = held;
      return new TokenTrie(
          Arrays.copyOf(value, nodes),
          Arrays.copyOf(end, nodes),
          Arrays.copyOf(depth, nodes),
          Arrays.copyOf(from, nodes + 1),
          Arrays.copyOf(tokens, held));
    }
  }
}
