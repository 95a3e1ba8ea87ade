package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sequences that keep rows of their last tokens beside rows for four tokens each: after random
 * prompts, forks, rollbacks, marks and closes each has what its own tokens say, however others went
 * on.
 */
class RingsRandomTest {
  private static final int PAGE = 8;
  private static final int BLOCK = 4;
  private static final int CONTEXT = 64;
  private static final int SLOTS = 4;
  private static final int DRAFTS = 3;
  private static final int WINDOW = 6;
  private static final int POOL = 8;
  private static final ModelKey MODEL = new ModelKey("tiny", "0123abcd");

  private static final List<List<CacheStream>> STREAMS =
      List.of(
          List.of(new CacheStream(CacheStream.ENTRIES, 2, 0, WINDOW, false)),
          List.of(
              new CacheStream(CacheStream.ENTRIES, 2, BLOCK, WINDOW, false),
              new CacheStream(CacheStream.POOL, 1, 0, POOL, true)));

  private record Open(Sequence sequence, int[] tokens, Optional<Marked> mark) {}

  private record Marked(Sequence.Mark mark, int[] tokens) {}

  private final Random random = new Random(7);
  private final Backend backend = new ReferenceProvider().open(BackendOptions.defaults());
  private final List<Open> open = new ArrayList<>();

  @AfterEach
  void close() {
    backend.close();
  }

  private KvCacheStore store(int pages) {
    var size = new KvCacheStore.RingSize(CONTEXT, DRAFTS);
    return new KvCacheStore(_ -> backend, STREAMS, Encoding.F32, PAGE, CONTEXT, SLOTS, pages, size);
  }

  /**
   * @param pages few: sequences evict what others published
   */
  @ParameterizedTest
  @ValueSource(ints = {14, 200})
  void eachSequenceHasWhatItsOwnTokensSay(int pages) {
    int adopted = 0;
    try (var store = store(pages)) {
      for (int step = 0; step < 20_000; step++) {
        int pick = open.isEmpty() ? -1 : random.nextInt(open.size());
        try {
          switch (random.nextInt(7)) {
            case 0 -> adopted += openOne(store);
            case 1 -> {
              if (pick >= 0 && open.size() < SLOTS) {
                Open o = open.get(pick);
                open.add(new Open(o.sequence.fork(), o.tokens, Optional.empty()));
              }
            }
            case 2, 3, 4 -> grow(store, pick);
            case 5 -> shrink(pick);
            default -> mark(pick);
          }
        } catch (CacheFullException _) {
          // nothing changed
        }
        for (Open o : open) {
          assertTrue(holds(store, o.sequence, o.tokens), () -> "" + o.tokens.length);
        }
      }
      assertTrue(adopted > 1000, adopted + " tokens were found");
    }
  }

  private int openOne(KvCacheStore store) {
    if (open.size() == SLOTS) {
      return 0;
    }
    int[] prompt = random.ints(random.nextInt(CONTEXT + 1), 0, 2).toArray();
    if (random.nextInt(4) > 0 && !open.isEmpty()) { // as another begins
      int[] other = open.get(random.nextInt(open.size())).tokens;
      System.arraycopy(other, 0, prompt, 0, Math.min(other.length, prompt.length));
    }
    Sequence s = store.openSequence();
    int found = s.adopt(prompt);
    open.add(new Open(s, Arrays.copyOf(prompt, found), Optional.empty()));
    return found;
  }

  /** By a step that may end anywhere; a page's end is known only if a step ends there. */
  private void grow(KvCacheStore store, int pick) {
    if (pick < 0) {
      return;
    }
    Open o = open.get(pick);
    int from = o.tokens.length;
    int to = from + random.nextInt(Math.min(9, CONTEXT - from + 1));
    if (random.nextBoolean()) {
      to = Math.min(CONTEXT, (from / PAGE + 1) * PAGE);
    }
    int[] longer = Arrays.copyOf(o.tokens, to);
    for (int i = from; i < to; i++) {
      longer[i] = random.nextInt(2);
    }
    append(store, o.sequence, longer);
    if (random.nextInt(4) > 0) {
      o.sequence.publish(longer);
    }
    open.set(pick, new Open(o.sequence, longer, o.mark));
  }

  private void shrink(int pick) {
    if (pick < 0) {
      return;
    }
    Open o = open.get(pick);
    if (random.nextInt(3) == 0) {
      open.remove(pick).sequence.close();
      return;
    }
    int keep = Math.max(0, o.tokens.length - random.nextInt(6));
    if (o.sequence.canTruncate(keep)) {
      o.sequence.truncate(keep);
      boolean stays = o.mark.filter(m -> m.tokens.length <= keep).isPresent();
      Optional<Marked> mark = stays ? o.mark : Optional.empty();
      open.set(pick, new Open(o.sequence, Arrays.copyOf(o.tokens, keep), mark));
    } else {
      assertThrows(IllegalStateException.class, () -> o.sequence.truncate(keep));
    }
  }

  private void mark(int pick) {
    if (pick < 0) {
      return;
    }
    Open o = open.get(pick);
    if (o.mark.isPresent()) {
      Marked m = o.mark.orElseThrow();
      o.sequence.reset(m.mark);
      open.set(pick, new Open(o.sequence, m.tokens, Optional.empty()));
    } else {
      Marked m = new Marked(o.sequence.mark(), o.tokens);
      open.set(pick, new Open(o.sequence, o.tokens, Optional.of(m)));
    }
  }

  /** Rings come back from a file, and a text goes on behind them. */
  @Test
  void aFileHoldsThemToo(@TempDir Path folder) {
    int[] tokens = random.ints(29, 0, 2).toArray();
    try (var store = store(50)) {
      Sequence written = store.openSequence();
      append(store, written, tokens);
      CacheFile.save(folder.resolve("a.kv"), MODEL, tokens, written, STREAMS.size());
    }
    try (var store = store(60)) {
      store
          .openSequence()
          .reserve(1); // so that slots and pages differ from those it was saved from
      Sequence read = store.openSequence();
      assertArrayEquals(tokens, CacheFile.load(folder.resolve("a.kv"), MODEL, read));
      assertTrue(holds(store, read, tokens));
      int[] longer = Arrays.copyOf(tokens, 40);
      append(store, read, longer);
      assertTrue(holds(store, read, longer));
      assertEquals(40, read.length());
    }
  }

  /** As a step does: a row of each token, and one for each block that ends. */
  private void append(KvCacheStore store, Sequence sequence, int[] tokens) {
    int from = sequence.length();
    sequence.reserve(tokens.length - from);
    float[] values = values(tokens);
    for (KvCacheStore.Stream stream : store.streams()) {
      for (int i = from; i < tokens.length; i++) {
        if (stream.ring().isPresent()) {
          write(inRing(stream, sequence, i), values[i]);
        }
        if (stream.paged() && i % BLOCK == BLOCK - 1) {
          write(inPage(stream, sequence, i), values[i]);
        }
      }
    }
    sequence.advance(tokens.length - from);
  }

  private boolean holds(KvCacheStore store, Sequence sequence, int[] tokens) {
    boolean same = sequence.length() == tokens.length;
    float[] values = values(tokens);
    for (KvCacheStore.Stream stream : store.streams()) {
      int ring = stream.kind().ring();
      for (int i = 0; i < tokens.length; i++) {
        if (ring > 0 && i >= tokens.length - ring) {
          same &= read(inRing(stream, sequence, i)) == values[i];
        }
        if (stream.paged() && i % BLOCK == BLOCK - 1) {
          same &= read(inPage(stream, sequence, i)) == values[i];
        }
      }
    }
    return same;
  }

  private static Tensor inRing(KvCacheStore.Stream stream, Sequence sequence, int position) {
    Ring ring = stream.ring().orElseThrow();
    long row = ring.first() + (long) sequence.slot() * ring.length() + position % ring.length();
    return ring.rows().slice("row", row, 1);
  }

  private static Tensor inPage(KvCacheStore.Stream stream, Sequence sequence, int position) {
    long page = (long) sequence.page(position / PAGE) * stream.pageRows();
    return stream.entries().slice("row", page + position % PAGE / BLOCK, 1);
  }

  private void write(Tensor row, float value) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(row.byteSize(), 4);
      for (int i = 0; i < row.cols(); i++) {
        bytes.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
      }
      backend.write(row, bytes);
    }
  }

  private float read(Tensor row) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(row.byteSize(), 4);
      backend.read(row, bytes);
      return bytes.get(ValueLayout.JAVA_FLOAT, 0);
    }
  }

  /** Each tells all tokens up to its own. */
  private static float[] values(int[] tokens) {
    float[] values = new float[tokens.length];
    int hash = 1;
    for (int i = 0; i < tokens.length; i++) {
      hash = 31 * hash + tokens[i];
      values[i] = hash & 0xffff;
    }
    return values;
  }
}
