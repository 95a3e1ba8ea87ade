package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.spi.BlockScale;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LosslessTest {
  static Stream<Encoding> held() {
    return Encoding.all().stream().filter(e -> Lossless.of(e).isPresent());
  }

  private static HostTensor random(Encoding.Block encoding, float scale) {
    byte[] bytes = new byte[(int) encoding.byteSize(5, 768)];
    new Random(3).nextBytes(bytes);
    MemorySegment data = MemorySegment.ofArray(bytes);
    for (int b = 0; b < bytes.length; b += encoding.blockBytes()) {
      for (BlockScale s : encoding.scales()) {
        s.put(data, b, b % 3 == 0 ? -scale : scale);
      }
    }
    return HostTensor.of("w", encoding, 5, 768, data);
  }

  /** All of them, every zero without a sign. */
  private static float[] numbers(HostTensor w) {
    float[] out = Dequantizer.all(w);
    for (int i = 0; i < out.length; i++) {
      out[i] += 0f;
    }
    return out;
  }

  @ParameterizedTest
  @MethodSource("held")
  void everyNumberIsKept(Encoding encoding) {
    HostTensor w = random((Encoding.Block) encoding, 0.0123f);
    try (Arena arena = Arena.ofShared()) {
      HostTensor same = WeightLoader.as(Tiles.kept(encoding), w, arena).orElseThrow();
      assertArrayEquals(numbers(w), numbers(same));
    }
  }

  @Test
  void othersBecomeNumbers() {
    for (Encoding e : List.of(new Encoding.Q5_1(), new Encoding.Q4_1(), Encoding.BF16)) {
      assertEquals(Optional.empty(), Lossless.of(e));
    }
  }
}
