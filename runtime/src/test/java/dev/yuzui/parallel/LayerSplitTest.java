package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayerSplitTest {
  @ParameterizedTest(name = "layers of {0} in {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1 1 1 1 1 1      | 10 10       | 0 0 0 1 1 1
          1 1 1 1 1 1      | 10 20       | 0 0 1 1 1 1
          1 1 1 1 1 1      | 10 1 10     | 0 0 0 2 2 2
          1 1 1 1          | 10 10 10    | 0 0 1 2
          1 1              | 5 5 5 5     | 0 1
          5 1 1 1 1 1      | 10 10       | 0 1 1 1 1 1
          1 1 1 1 1 5      | 10 10       | 0 0 0 0 0 1
          1 1 1            | 7           | 0 0 0
          9 9 9            | 1 1         | 0 0 1
          """)
  void theFullestDeviceIsAsFullAsMustBe(String layers, String rooms, String devices) {
    double[] bytes = numbers(layers);
    double[] room = numbers(rooms);
    List<Integer> expected = Arrays.stream(devices.split(" ")).map(Integer::valueOf).toList();
    List<Integer> found =
        LayerSplit.over(
            room.length,
            bytes.length,
            (d, from, to) -> Arrays.stream(bytes, from, to).sum() / room[d]);
    assertEquals(worst(expected, bytes, room), worst(found, bytes, room), 1e-9, "" + found);
    assertEquals(found.stream().sorted().toList(), found, "pieces in the devices' order");
    assertEquals(
        expected.stream().distinct().count(), found.stream().distinct().count(), "" + found);
  }

  private static double worst(List<Integer> devices, double[] bytes, double[] room) {
    double[] full = new double[room.length];
    for (int layer = 0; layer < bytes.length; layer++) {
      full[devices.get(layer)] += bytes[layer] / room[devices.get(layer)];
    }
    return Arrays.stream(full).max().orElseThrow();
  }

  private static double[] numbers(String text) {
    return Arrays.stream(text.split(" ")).mapToDouble(Double::parseDouble).toArray();
  }
}
