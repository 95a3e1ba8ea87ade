package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.spi.Encoding;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GgmlTypesTest {
  @ParameterizedTest
  @CsvSource({
    "0, F32",
    "1, F16",
    "2, Q4_0",
    "3, Q4_1",
    "6, Q5_0",
    "7, Q5_1",
    "8, Q8_0",
    "10, Q2_K",
    "11, Q3_K",
    "12, Q4_K",
    "13, Q5_K",
    "14, Q6_K",
    "20, IQ4_NL",
    "23, IQ4_XS",
    "30, BF16"
  })
  void idsOfTheTypesThatLoad(int id, String label) {
    assertEquals(label, GgmlTypes.encoding(id).orElseThrow().label());
    assertEquals(label, GgmlTypes.label(id));
  }

  @Test
  void everyEncodingButFp8HasAnId() {
    Set<Encoding> loaded =
        IntStream.range(0, 400)
            .mapToObj(GgmlTypes::encoding)
            .flatMap(Optional::stream)
            .collect(Collectors.toSet());
    Set<Encoding> all = new HashSet<>(Encoding.all());
    all.remove(Encoding.FP8);
    assertEquals(all, loaded);
  }
}
