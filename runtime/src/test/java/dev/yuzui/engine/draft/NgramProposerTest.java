package dev.yuzui.engine.draft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class NgramProposerTest {
  private static int[] draft(int shortest, int longest, int most, int... text) {
    NgramProposer drafter = new NgramProposer(most, lengths(shortest, longest));
    drafter.append(text);
    return drafter.draft(most);
  }

  private static int[] lengths(int shortest, int longest) {
    return IntStream.rangeClosed(shortest, longest).map(i -> longest + shortest - i).toArray();
  }

  @Test
  void whatFollowedTheLastTokensFollowsAgain() {
    assertArrayEquals(new int[] {3, 4, 5}, draft(2, 3, 3, 1, 2, 3, 4, 5, 6, 1, 2));
    assertArrayEquals(new int[] {}, draft(2, 3, 3, 1, 2, 3, 4, 5, 6, 2, 1), "nothing matches");
    assertArrayEquals(new int[] {}, draft(1, 3, 3));
    assertArrayEquals(new int[] {}, draft(1, 3, 3, 7));
    assertArrayEquals(new int[] {}, draft(1, 1, 0, 7, 7), "none is wanted");
  }

  @Test
  void theLongestMatchDecides() {
    int[] text = {1, 2, 3, 50, 9, 2, 3, 60, 8, 3, 70, 1, 2, 3};
    assertArrayEquals(new int[] {50}, draft(1, 3, 1, text));
    assertArrayEquals(new int[] {60}, draft(1, 2, 1, text));
    assertArrayEquals(new int[] {70}, draft(1, 1, 1, text));
  }

  @Test
  void amongEquallyLongMatchesTheMostRecentDecides() {
    assertArrayEquals(new int[] {6}, draft(1, 2, 1, 1, 2, 5, 1, 2, 6, 1, 2));
  }

  @Test
  void aMatchThatReachesTheEndRepeatsItself() {
    assertArrayEquals(new int[] {7, 7, 7}, draft(1, 3, 3, 4, 7, 7));
    assertArrayEquals(new int[] {5, 6, 4, 5, 6}, draft(1, 3, 5, 4, 5, 6, 4));
  }

  @Test
  void lengthsThatMakeNoSenseAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new NgramProposer(8));
    assertThrows(IllegalArgumentException.class, () -> new NgramProposer(8, 3, 0));
    assertThrows(IllegalArgumentException.class, () -> new NgramProposer(8, 2, 3));
  }

  @Test
  void howTheLastOnesFaredDecidesHowManyThereAre() {
    NgramProposer drafter = new NgramProposer(8, 4, 2);
    drafter.append(1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4);
    assertEquals(8, drafter.draft(9).length);
    assertEquals(3, drafter.draft(3).length, "no room for more");
    drafter.checked(8, 8);
    assertEquals(8, drafter.draft(9).length);
    drafter.checked(8, 2);
    assertEquals(5, drafter.draft(9).length);
    drafter.checked(5, 0);
    assertEquals(2, drafter.draft(9).length);
    drafter.checked(2, 2);
    assertEquals(5, drafter.draft(9).length, "twice as many, not rounded");
    for (int i = 0; i < 9; i++) {
      drafter.checked(1, 0);
    }
    assertEquals(1, drafter.draft(9).length, "a long match always has one");
    drafter.append(9, 2, 3);
    assertEquals(0, drafter.draft(9).length, "a short one is held for chance");
    drafter.append(4, 5, 6);
    assertEquals(1, drafter.draft(9).length);
    drafter.checked(1, 1);
    drafter.append(9, 2, 3);
    assertEquals(2, drafter.draft(9).length, "until drafts come true again");
  }

  @Test
  void agreesWithASearchThroughTheWholeText() {
    Random random = new Random(5);
    for (int alphabet : new int[] {2, 5, 40}) {
      NgramProposer drafter = new NgramProposer(6, lengths(2, 4));
      int[] text = random.ints(400, 0, alphabet).toArray();
      for (int n = 0; n < text.length; n++) {
        assertArrayEquals(search(Arrays.copyOf(text, n), 2, 4, 6), drafter.draft(6));
        drafter.append(text[n]);
      }
    }
  }

  private static int[] search(int[] text, int shortest, int longest, int most) {
    int n = text.length;
    for (int length = longest; length >= shortest; length--) {
      for (int from = n - length - 1; from >= 0; from--) {
        if (Arrays.equals(text, from, from + length, text, n - length, n)) {
          int[] whole = Arrays.copyOf(text, n + most);
          for (int i = 0; i < most; i++) {
            whole[n + i] = whole[from + length + i];
          }
          return Arrays.copyOfRange(whole, n, n + most);
        }
      }
    }
    return new int[0];
  }

  /** A search through the text at each token would take hours here. */
  @Test
  @Timeout(300)
  void aLongTextCostsTheSameForEachToken() {
    Random random = new Random(6);
    for (int alphabet : new int[] {1, 2, 100_000}) {
      int[] text = random.ints(1_000_000, 0, alphabet).toArray();
      NgramProposer drafter = new NgramProposer(4, lengths(1, 4));
      for (int token : text) {
        drafter.append(token);
        drafter.draft(4);
      }
    }
  }
}
