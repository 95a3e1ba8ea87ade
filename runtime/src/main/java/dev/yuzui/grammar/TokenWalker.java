package dev.yuzui.grammar;

import dev.yuzui.grammar.Regex.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Finds the {@link TokenSets} of a terminal's states. Tokens are in two trees, by length, as
 * repetitions have to be counted no further than a token is long; and those that strings are mostly
 * made of are in slices, which are not walked where a state allows all of the slice.
 */
final class TokenWalker {
  /** Bytes that most tokens do not exceed. */
  private static final int SHORT = 16;

  /** Pairs of states looked at to find that a state allows a slice. */
  private static final int MOST_PAIRS = 300;

  private final GrammarVocabulary vocabulary;
  private final List<Length> lengths;
  private final List<Slice> slices;

  /** Tokens of up to {@code most} bytes. */
  private record Length(int index, int most, TokenTrie trie) {}

  /**
   * Tokens of characters of {@code set}, and the tree of the others, a tree for each length.
   *
   * @param text any such characters
   */
  private record Slice(Charset set, Regex text, List<BitSet> tokens, List<TokenTrie> others) {
    static Regex text(RegexPool pool, Charset set) {
      return pool.star(Utf8.regex(pool, set));
    }

    Slice in(RegexPool pool) {
      return new Slice(set, text(pool, set), tokens, others);
    }
  }

  TokenWalker(GrammarVocabulary vocabulary, RegexPool pool) {
    this.vocabulary = vocabulary;
    List<List<TokenTrie.Entry>> entries = List.of(new ArrayList<>(), new ArrayList<>());
    int longest = 0;
    for (int id = 0; id < vocabulary.size(); id++) {
      byte[] bytes = vocabulary.bytes()[id];
      longest = Math.max(longest, bytes.length);
      if (bytes.length > 0) {
        entries.get(bytes.length <= SHORT ? 0 : 1).add(new TokenTrie.Entry(id, bytes, 0));
      }
    }
    lengths = new ArrayList<>();
    lengths.add(new Length(0, SHORT, TokenTrie.of(entries.get(0))));
    if (longest > SHORT) {
      lengths.add(new Length(1, longest, TokenTrie.of(entries.get(1))));
    }
    slices = new ArrayList<>();
    Charset json = Charset.jsonPlain();
    for (Charset set :
        List.of(json, json.and(Charset.range(0, 0x7F)), Charset.word(), Charset.lower())) {
      slices.add(slice(set, Slice.text(pool, set), entries));
    }
  }

  private TokenWalker(GrammarVocabulary vocabulary, List<Length> lengths, List<Slice> slices) {
    this.vocabulary = vocabulary;
    this.lengths = lengths;
    this.slices = slices;
  }

  /** The same trees for terminals of another pool. */
  TokenWalker in(RegexPool pool) {
    return new TokenWalker(
        vocabulary, lengths, slices.stream().map(slice -> slice.in(pool)).toList());
  }

  private Slice slice(Charset set, Regex text, List<List<TokenTrie.Entry>> entries) {
    List<BitSet> tokens = new ArrayList<>();
    List<TokenTrie> others = new ArrayList<>();
    for (Length length : lengths) {
      BitSet inside = new BitSet();
      List<TokenTrie.Entry> outside = new ArrayList<>();
      for (TokenTrie.Entry entry : entries.get(length.index())) {
        if (text.matches(entry.bytes())) {
          inside.set(entry.token());
        } else {
          outside.add(entry);
        }
      }
      tokens.add(inside);
      others.add(TokenTrie.of(outside));
    }
    return new Slice(set, text, tokens, others);
  }

  int kinds() {
    return lengths.size();
  }

  /** Of the tokens of one of the {@link #kinds} of length. */
  TokenSets sets(Regex state, int kind) {
    TokenSets found = state.tokens(kind);
    if (found == null) {
      Length length = lengths.get(kind);
      Regex same = state.pool.cut(state, length.most());
      found = same.tokens(kind);
      if (found == null) {
        found = find(same, length);
        same.tokens(kind, found);
      }
      state.tokens(kind, found);
    }
    return found;
  }

  /** The longest at each place of {@code text}, while no longer one might begin there. */
  int[] tokens(byte[] text) {
    IntStream.Builder result = IntStream.builder();
    for (int at = 0; at < text.length; ) {
      int best = -1;
      int bestLength = 0;
      for (Length length : lengths) {
        TokenTrie trie = length.trie();
        int depth = 0;
        for (int i = 0; i < trie.size(); ) {
          if (at + depth == text.length) {
            return result.build().toArray(); // a longer one would begin with all that is left
          }
          if (trie.value[i] != text[at + depth]) {
            i = trie.end[i];
            if (i < trie.size() && trie.depth[i] < depth) {
              break;
            }
            continue;
          }
          depth++;
          if (trie.from[i] < trie.from[i + 1] && depth > bestLength) {
            best = trie.tokens[trie.from[i]];
            bestLength = depth;
          }
          if (trie.end[i] == i + 1) {
            break;
          }
          i++;
        }
      }
      if (best < 0) {
        break;
      }
      result.add(best);
      at += bestLength;
    }
    return result.build().toArray();
  }

  private TokenSets find(Regex state, Length length) {
    if (state.kind == Kind.AND && state.kids.length == 2) {
      int base = RegexLife.excluding(state);
      if (base >= 0) {
        Optional<TokenSets> found = excluding(state, base, length);
        if (found.isPresent()) {
          return found.get();
        }
      }
    }
    BitSet stay = new BitSet(vocabulary.size());
    for (Slice slice : slices) {
      if (slice.tokens().get(length.index()).cardinality() > 0 && allows(state, slice.text())) {
        stay.or(slice.tokens().get(length.index()));
        return walk(state, slice.others().get(length.index()), stay);
      }
    }
    return walk(state, length.trie(), stay);
  }

  private TokenSets walk(Regex start, TokenTrie trie, BitSet stay) {
    List<TokenTrie.Entry> behind = new ArrayList<>();
    Regex[] states = new Regex[trie.deepest + 1];
    states[0] = start;
    for (int i = 0; i < trie.size(); ) {
      int depth = trie.depth[i];
      Regex state = states[depth].next(trie.value[i] & 255);
      if (state.isNone()) {
        i = trie.end[i];
        continue;
      }
      states[depth + 1] = state;
      for (int t = trie.from[i]; t < trie.from[i + 1]; t++) {
        stay.set(trie.tokens[t]);
      }
      if (state.nullable) {
        for (int t = trie.from[i + 1]; t < trie.from[trie.end[i]]; t++) {
          int token = trie.tokens[t];
          behind.add(new TokenTrie.Entry(token, vocabulary.bytes()[token], depth + 1));
        }
      }
      i++;
    }
    return new TokenSets(TokenSets.Stay.of(stay), TokenTrie.of(behind), TokenSets.NO_EXCEPTIONS);
  }

  /**
   * A name that is none of those that the schema lists: as any name, save for the tokens that would
   * complete a listed one.
   */
  private Optional<TokenSets> excluding(Regex state, int base, Length length) {
    TokenTrie trie = length.trie();
    Regex[] any = new Regex[trie.deepest + 1];
    Regex[] listed = new Regex[trie.deepest + 1];
    any[0] = state.kids[base];
    listed[0] = state.kids[1 - base].kids[0];
    BitSet except = new BitSet();
    for (int i = 0; i < trie.size(); ) {
      int depth = trie.depth[i];
      Regex excluded = listed[depth].next(trie.value[i] & 255);
      Regex inside = any[depth].next(trie.value[i] & 255);
      if (excluded.isNone() || inside.isNone()) {
        i = trie.end[i];
        continue;
      }
      Regex both = state.pool.and(inside, state.pool.not(excluded));
      if (!state.pool.alive(both)) {
        for (int t = trie.from[i]; t < trie.from[trie.end[i]]; t++) {
          except.set(trie.tokens[t]);
        }
        i = trie.end[i];
        continue;
      }
      if (inside.nullable) {
        return Optional.empty();
      }
      any[depth + 1] = inside;
      listed[depth + 1] = excluded;
      i++;
    }
    TokenSets all = sets(state.kids[base], length.index());
    return Optional.of(except.isEmpty() ? all : all.without(except));
  }

  /** Whether every text of {@code slice} goes on from {@code state}, and ends nowhere in it. */
  private static boolean allows(Regex state, Regex slice) {
    record Pair(Regex state, Regex slice) {}
    Set<Pair> seen = new HashSet<>();
    ArrayDeque<Pair> open = new ArrayDeque<>();
    open.add(new Pair(state, slice));
    seen.add(open.peek());
    while (!open.isEmpty()) {
      Pair at = open.poll();
      for (int value : at.state.classes().meet(at.slice.classes()).representatives()) {
        Regex inSlice = at.slice.next(value);
        if (inSlice.isNone()) {
          continue;
        }
        Regex next = at.state.next(value);
        if (next.isNone() || next.nullable) {
          return false;
        }
        Pair pair = new Pair(next, inSlice);
        if (seen.add(pair)) {
          if (seen.size() > MOST_PAIRS) {
            return false;
          }
          open.add(pair);
        }
      }
    }
    return true;
  }
}
