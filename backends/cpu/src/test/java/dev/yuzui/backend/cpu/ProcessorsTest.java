package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which processors the threads of a group are kept on. */
class ProcessorsTest {
  /** Four cores of two processors each. */
  private static final Processors FOUR_CORES =
      new Processors("four cores", 4, new int[] {0, 2, 4, 6, 1, 3, 5, 7});

  @ParameterizedTest(name = "group {0} of {1} threads: {2}")
  @CsvSource({"0, 1, 0", "3, 1, 6", "0, 2, 0 2", "1, 2, 4 6", "0, 4, 0 2 4 6", "0, 6, 0 2 4 6 1 3"})
  void groupsFollowEachOtherOverTheCores(int group, int threads, String processors) {
    int[] expected = Arrays.stream(processors.split(" ")).mapToInt(Integer::parseInt).toArray();
    assertArrayEquals(expected, FOUR_CORES.group(group, threads));
  }

  @ParameterizedTest(name = "group {0} of {1} threads")
  @CsvSource({"4, 1", "2, 2", "1, 3", "1, 4", "0, 9"})
  void groupsThatDoNotFitAreLeftToTheSystem(int group, int threads) {
    assertEquals(0, FOUR_CORES.group(group, threads).length);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void noTwoGroupsOfASizeShareAProcessor(int threads) {
    int[] taken =
        IntStream.range(0, 8)
            .mapToObj(group -> FOUR_CORES.group(group, threads))
            .flatMapToInt(Arrays::stream)
            .toArray();
    assertEquals(taken.length, Arrays.stream(taken).distinct().count());
  }

  @Test
  void processorsThatAreNotKnownAreNotChosen() {
    assertEquals(0, new Processors("unknown", 4, new int[0]).group(1, 2).length);
  }
}
