package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Random prompts over two tokens, forks, rollbacks and closes against a plain set of the prefixes
 * that were published.
 */
class PrefixReuseRandomTest {
  private static final int PAGE = 4;
  private static final int CONTEXT = 32;
  private static final int SLOTS = 5;

  private record Open(Sequence sequence, int[] tokens) {}

  private final Random random = new Random(11);
  private final List<Open> open = new ArrayList<>();
  private final Set<List<Integer>> published = new HashSet<>();

  /**
   * @param pages few: evictions, so less may be found than was published; many: exactly that is
   */
  @ParameterizedTest
  @CsvSource({"12, 100000", "4096, 20000"})
  void noPageIsLostAndNothingIsFoundThatWasNotPublished(int pages, int steps) {
    boolean few = pages < 1000;
    try (var backend = new ReferenceProvider().open(BackendOptions.defaults());
        var store =
            new KvCacheStore(_ -> backend, 1, 1, Encoding.F32, PAGE, CONTEXT, SLOTS, pages)) {
      Entries entries = new Entries(backend, store);
      for (int step = 0; step < steps; step++) {
        int pick = open.isEmpty() ? -1 : random.nextInt(open.size());
        try {
          switch (random.nextInt(5)) {
            case 0 -> openOne(store, few);
            case 1 -> {
              if (pick >= 0 && open.size() < SLOTS) {
                open.add(new Open(open.get(pick).sequence.fork(), open.get(pick).tokens));
              }
            }
            case 2, 3 -> {
              if (pick >= 0) {
                grow(entries, pick);
              }
            }
            default -> {
              if (pick >= 0) {
                shrink(pick, few);
              }
            }
          }
        } catch (CacheFullException _) {
          // forks may need more pages than there are; nothing changed
        }
        check(store, entries, step % 50 == 0);
      }
      open.forEach(o -> o.sequence.close());
      assertEquals(pages, store.freePages());
      assertTrue(few == store.prefixStats().evictedPages() > 0);
      assertTrue(store.prefixStats().foundTokens() > steps / 20, store.prefixStats().toString());
      everyPageCanBeHadOnce(store);
    }
  }

  private void openOne(KvCacheStore store, boolean few) {
    if (open.size() == SLOTS) {
      return;
    }
    int[] prompt = random.ints(random.nextInt(CONTEXT + 1), 0, 2).toArray();
    if (random.nextBoolean() && !open.isEmpty()) { // as another begins
      int[] other = open.get(random.nextInt(open.size())).tokens;
      System.arraycopy(other, 0, prompt, 0, Math.min(other.length, prompt.length));
    }
    Sequence s = store.openSequence();
    int found = s.adopt(prompt);
    int longest = 0;
    while (longest + PAGE < prompt.length && published.contains(prefix(prompt, longest + PAGE))) {
      longest += PAGE;
    }
    assertTrue(few ? found <= longest : found == longest, found + " of " + longest);
    open.add(new Open(s, Arrays.copyOf(prompt, found)));
  }

  private void grow(Entries entries, int pick) {
    Open o = open.get(pick);
    int room = CONTEXT - o.tokens.length;
    int[] longer = Arrays.copyOf(o.tokens, o.tokens.length + random.nextInt(Math.min(9, room + 1)));
    for (int i = o.tokens.length; i < longer.length; i++) {
      longer[i] = random.nextInt(2);
    }
    entries.append(o.sequence, longer);
    open.set(pick, new Open(o.sequence, longer));
    if (random.nextInt(4) > 0) {
      o.sequence.publish(longer);
      for (int n = PAGE; n <= longer.length; n += PAGE) {
        published.add(prefix(longer, n));
      }
    }
  }

  private void shrink(int pick, boolean anywhere) {
    Open o = open.get(pick);
    int keep = random.nextInt(o.tokens.length + 1);
    if (!anywhere) {
      keep -= keep % PAGE; // rolling back into a page takes it out of the set
    }
    if (random.nextInt(3) == 0) {
      open.remove(pick).sequence.close();
    } else {
      o.sequence.truncate(keep);
      open.set(pick, new Open(o.sequence, Arrays.copyOf(o.tokens, keep)));
    }
  }

  private void check(KvCacheStore store, Entries entries, boolean contents) {
    Set<Integer> held = new HashSet<>();
    for (Open o : open) {
      assertEquals(o.tokens.length, o.sequence.length());
      for (int i = 0; i < o.sequence.pageCount(); i++) {
        held.add(o.sequence.page(i));
      }
      assertTrue(!contents || entries.areOf(o.sequence, o.tokens));
    }
    assertEquals(store.pages() - held.size(), store.freePages());
  }

  private static void everyPageCanBeHadOnce(KvCacheStore store) {
    Set<Integer> pages = new HashSet<>();
    for (int i = 0; i < store.pages(); i++) {
      pages.add(store.pool().allocate());
    }
    assertEquals(store.pages(), pages.size());
    assertEquals(0, store.freePages());
  }

  private static List<Integer> prefix(int[] tokens, int count) {
    return Arrays.stream(tokens, 0, count).boxed().toList();
  }
}
