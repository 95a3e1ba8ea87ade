package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.ptx.code.Fatbin;
import dev.yuzui.ptx.code.PtxModule;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What native-kernels/cuda/build puts into a fat binary comes out of it. */
class FatbinTest {
  private final Kernels kernels = new Kernels();

  @Test
  void holdsMachineCode() {
    for (String stem : kernels.stems()) {
      Set<String> images =
          kernels.fatbin(stem).images().stream()
              .map(i -> i.kind() + " " + i.capability())
              .collect(Collectors.toSet());
      assertEquals(
          kernels.alone().contains(stem)
              ? Set.of("CUBIN 90")
              : Set.of("CUBIN 75", "CUBIN 80", "CUBIN 90", "CUBIN 100", "CUBIN 120"),
          images,
          stem);
    }
  }

  @Test
  void refusesWhatIsNone() {
    byte[] junk = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    assertThrows(IllegalArgumentException.class, () -> Fatbin.read(junk));
    ByteBuffer header = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
    header.putInt(0xBA55ED50).putShort((short) 1).putShort((short) 16).putLong(1000);
    assertThrows(IllegalArgumentException.class, () -> Fatbin.read(header.array()));
    assertThrows(
        IllegalArgumentException.class, () -> new Fatbin(List.of()).cubin(90), "no such image");
  }

  @Test
  void refusesPtxThatItDoesNotUnderstand() {
    String text =
        """
        .version 8.0
        .target sm_80
        .visible .entry k(.param .u64 k_0)
        {
        .file 1
        ret;
        }
        """;
    assertThrows(IllegalArgumentException.class, () -> PtxModule.of(text).kernel("k"));
    assertThrows(IllegalArgumentException.class, () -> PtxModule.of(text).kernel("other"));
  }
}
