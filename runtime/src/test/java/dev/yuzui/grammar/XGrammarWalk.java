package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.yuzui.grammar.SchemaData.Entry;
import dev.yuzui.grammar.SchemaData.Instance;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** A text of one schema that both engines can write, and what becomes of where they differ. */
final class XGrammarWalk {
  /** Tokens. */
  static final int STEPS = 80;

  /** Tokens of a difference that are followed, and of all of a schema's. */
  private static final int FOLLOWED = 2;

  private static final int MOST_FOLLOWED = 40;

  private static final JsonMapper STRIPPING =
      JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS).build();

  enum Because {
    /** A value that the schema forbids. */
    XGRAMMAR_ALLOWS_TOO_MUCH,
    /** A value that the schema allows, and that XGrammar allows in no spelling. */
    XGRAMMAR_ALLOWS_TOO_LITTLE,
    /** A value that both allow, written another way. */
    SPELLING,
    /** No whole text was found that begins so, or the validator could not judge it. */
    NOT_FOLLOWED,
    /** Not looked at: a few of each difference are. */
    NOT_DRAWN,
    OURS
  }

  /** Short tokens as often as long ones, and what closes something now and then. */
  static int drawn(BitSet mask, GrammarVocabulary vocabulary, Random random) {
    int end = vocabulary.ends().nextSetBit(0);
    if (mask.get(end) && random.nextInt(4) == 0) {
      return end;
    }
    int[] allowed = mask.stream().toArray();
    if (random.nextInt(3) == 0) {
      for (int id : allowed) {
        byte[] bytes = vocabulary.bytes()[id];
        if (bytes.length == 1 && "\"}]".indexOf(bytes[0]) >= 0) {
          return id;
        }
      }
    }
    return allowed[random.nextInt(allowed.length)];
  }

  private final Entry entry;
  private final Grammar grammar;
  private final Validator validator;
  private final Map<Because, Integer> reasons;
  private final List<String> wrong;
  private final ByteArrayOutputStream text = new ByteArrayOutputStream();
  private final List<Integer> tokens = new ArrayList<>();
  private final XGrammar other;
  private final Random random;
  private final GrammarVocabulary vocabulary;
  private GrammarState state;
  private int followed;
  private int masks;
  private int same;

  /**
   * @param reasons counts tokens that differ
   * @param wrong gets what is a mistake of ours
   */
  XGrammarWalk(
      Entry entry,
      Grammar grammar,
      Validator validator,
      XGrammar other,
      Random random,
      Map<Because, Integer> reasons,
      List<String> wrong) {
    this.other = other;
    this.random = random;
    vocabulary = grammar.vocabulary();
    this.entry = entry;
    this.grammar = grammar;
    this.validator = validator;
    this.reasons = reasons;
    this.wrong = wrong;
    state = grammar.start();
  }

  int masks() {
    return masks;
  }

  /** Of them, how many were the same. */
  int same() {
    return same;
  }

  void go() {
    byte[] planned = planned();
    while (tokens.size() < STEPS && !state.ended()) {
      BitSet mine = state.mask();
      BitSet his = other.mask();
      BitSet both = (BitSet) mine.clone();
      both.and(his);
      masks++;
      if (mine.equals(his)) {
        same++;
      } else {
        follow(mine, both, true);
        follow(his, both, false);
      }
      if (both.isEmpty()) {
        return;
      }
      int token = next(both, planned);
      state.accept(token);
      assertTrue(other.accept(token));
      tokens.add(token);
      text.writeBytes(vocabulary.bytes()[token]);
    }
  }

  /** A valid instance, in our form; nothing where there is none. */
  private byte[] planned() {
    for (Instance test : entry.tests()) {
      if (test.valid()) {
        return JsonForm.of(grammar, test.data()).orElse("").getBytes(StandardCharsets.UTF_8);
      }
    }
    return new byte[0];
  }

  /** As planned as far as both go along. */
  private int next(BitSet both, byte[] planned) {
    int at = text.size();
    int best = -1;
    for (int id = both.nextSetBit(0); id >= 0; id = both.nextSetBit(id + 1)) {
      byte[] bytes = vocabulary.bytes()[id];
      boolean fits =
          bytes.length > 0
              && at + bytes.length <= planned.length
              && new String(planned, at, bytes.length, StandardCharsets.ISO_8859_1)
                  .equals(new String(bytes, StandardCharsets.ISO_8859_1));
      if (fits && (best < 0 || bytes.length > vocabulary.bytes()[best].length)) {
        best = id;
      }
    }
    return best >= 0 ? best : drawn(both, vocabulary, random);
  }

  private void follow(BitSet mask, BitSet both, boolean ours) {
    BitSet only = (BitSet) mask.clone();
    only.andNot(both);
    List<Integer> all = new ArrayList<>(only.stream().boxed().toList());
    Collections.shuffle(all, random);
    int some = Math.min(all.size(), followed < MOST_FOLLOWED ? FOLLOWED : 0);
    followed += some;
    count(Because.NOT_DRAWN, all.size() - some);
    for (int token : all.subList(0, some)) {
      Optional<String> whole = ours ? mine(token) : his(token);
      Because because = whole.map(text -> judged(text, ours)).orElse(Because.NOT_FOLLOWED);
      count(because, 1);
      if (because == Because.OURS) {
        wrong.add(
            entry.name()
                + (ours ? " allows " : " refuses ")
                + whole.get()
                + " of "
                + entry.schema());
      }
    }
  }

  private void count(Because because, int n) {
    reasons.merge(because, n, Integer::sum);
  }

  /**
   * @param ours we allow it and XGrammar does not; or the other way round
   */
  private Because judged(String whole, boolean ours) {
    Optional<String> value = value(whole);
    boolean valid;
    try {
      valid = value.isPresent() && validator.errors(value.get()).isEmpty();
    } catch (RuntimeException _) {
      return Because.NOT_FOLLOWED; // numbers beyond the validator's
    }
    if (ours) {
      return !valid
          ? Because.OURS
          : hisToo(value.get()) ? Because.SPELLING : Because.XGRAMMAR_ALLOWS_TOO_LITTLE;
    }
    return !valid
        ? Because.XGRAMMAR_ALLOWS_TOO_MUCH
        : JsonForm.of(grammar, value.get())
                .or(() -> JsonForm.of(grammar, withoutZeros(value.get())))
                .isPresent()
            ? Because.SPELLING
            : Because.OURS;
  }

  /** Our integers have no point: 1.0 is written 1. */
  private static String withoutZeros(String value) {
    try {
      return STRIPPING.writeValueAsString(STRIPPING.readTree(value));
    } catch (IOException e) {
      throw new AssertionError(value, e);
    }
  }

  /** Of names that are written twice the last counts; empty for what is no JSON. */
  private static Optional<String> value(String whole) {
    try {
      return Optional.of(SchemaData.JSON.writeValueAsString(SchemaData.JSON.readTree(whole)));
    } catch (IOException _) {
      return Optional.empty();
    }
  }

  /** Whether XGrammar allows the value as {@code json.dumps} writes it. */
  private boolean hisToo(String value) {
    other.back(tokens.size());
    byte[] plain = JsonForm.plain(value).getBytes(StandardCharsets.UTF_8);
    int at = 0;
    while (at < plain.length && other.accept(byteToken(plain[at]))) {
      at++;
    }
    boolean good = at == plain.length && other.mask().get(vocabulary.ends().nextSetBit(0));
    other.back(at);
    tokens.forEach(token -> assertTrue(other.accept(token)));
    return good;
  }

  private int byteToken(byte b) {
    for (int id = 0; id < vocabulary.size(); id++) {
      byte[] bytes = vocabulary.bytes()[id];
      if (bytes.length == 1 && bytes[0] == b) {
        return id;
      }
    }
    throw new AssertionError("no token of " + b);
  }

  private Optional<String> mine(int token) {
    GrammarState now = state.copy();
    ByteArrayOutputStream out = begun(token);
    now.accept(token);
    for (int i = 0; i < 300 && !now.ended(); i++) {
      int next = closing(now.mask(), out, i);
      now.accept(next);
      out.writeBytes(vocabulary.bytes()[next]);
    }
    return now.ended() ? Optional.of(out.toString(StandardCharsets.UTF_8)) : Optional.empty();
  }

  private Optional<String> his(int token) {
    ByteArrayOutputStream out = begun(token);
    boolean ended = vocabulary.ends().get(token);
    int made = !ended && other.accept(token) ? 1 : 0;
    while (made > 0 && made < 300 && !ended) {
      BitSet mask = other.mask();
      if (mask.isEmpty()) {
        break;
      }
      int next = closing(mask, out, made);
      if (vocabulary.ends().get(next)) {
        ended = true;
      } else {
        other.accept(next);
        made++;
        out.writeBytes(vocabulary.bytes()[next]);
      }
    }
    other.back(made);
    return ended ? Optional.of(out.toString(StandardCharsets.UTF_8)) : Optional.empty();
  }

  private ByteArrayOutputStream begun(int token) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(text.toByteArray());
    out.writeBytes(vocabulary.bytes()[token]);
    return out;
  }

  private int closing(BitSet mask, ByteArrayOutputStream out, int made) {
    int end = vocabulary.ends().nextSetBit(0);
    if (mask.get(end)) {
      return end;
    }
    byte[] before = out.toByteArray();
    int last = before.length == 0 ? 0 : before[before.length - 1];
    for (char c : (last == '{' || last == '[' ? "}]\"" : "\"}],:").toCharArray()) {
      int id = byteToken((byte) c);
      if (mask.get(id) && (made % 7 != 6)) {
        return id;
      }
    }
    int[] allowed = mask.stream().toArray();
    return allowed[random.nextInt(allowed.length)];
  }
}
