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
    "16, IQ2_XXS",
    "17, IQ2_XS",
    "18, IQ3_XXS",
    "19, IQ1_S",
    "20, IQ4_NL",
    "21, IQ3_S",
    "22, IQ2_S",
    "23, IQ4_XS",
    "26, I32",
    "29, IQ1_M",
    "30, BF16",
    "34, TQ1_0",
    "35, TQ2_0",
    "39, MXFP4",
    "40, NVFP4",
    "41, Q1_0",
    "42, Q2_0"
  })
  void idsOfTheTypesThatLoad(int id, String label) {
    assertEquals(label, GgmlTypes.encoding(id).orElseThrow().label());
    assertEquals(label, GgmlTypes.label(id));
  }

  @ParameterizedTest
  @CsvSource({
    "4, 'type id 4 (Q4_2, retired)'",
    "38, 'type id 38 (IQ4_NL_8_8, retired)'",
    "137, 'type id 137 (ik_llama.cpp''s own)'",
    "43, type id 43 (unknown)",
    "-1, type id 4294967295 (unknown)"
  })
  void othersAreCalledByWhatIsKnownOfThem(int id, String label) {
    assertEquals(Optional.empty(), GgmlTypes.encoding(id));
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
    all.add(Encoding.I32); // of numbers of experts
    assertEquals(all, loaded);
  }
}
