package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class OnChipTest {
  /** What kernels of products have beside a grid: a flag. */
  private static final int FLAG = 16;

  /** Lines of file, kernel, architecture, registers, spilled bytes, shared bytes. */
  private static final Path RESOURCES =
      Path.of(System.getProperty("yuzui.root"), "native-kernels/cuda/prebuilt/resources.txt");

  static List<Encoding> tiled() {
    return Tiles.ENCODINGS.stream().filter(e -> !e.equals(Encoding.F32)).toList();
  }

  @ParameterizedTest
  @MethodSource("tiled")
  void gridsAreWhatTheCompilerSays(Encoding encoding) throws IOException {
    assumeTrue(
        Files.exists(RESOURCES), "no binaries of the kernels: run native-kernels/cuda/build");
    List<Integer> shared =
        Files.readAllLines(RESOURCES).stream()
            .map(line -> line.split(" "))
            .filter(row -> row[1].equals("matvec_" + Tiles.suffix(encoding)))
            .map(row -> Integer.parseInt(row[5]) - OnChip.grid(encoding))
            .toList();
    assertTrue(shared.size() > 1, "one for each architecture");
    assertTrue(shared.stream().allMatch(left -> left >= 0 && left <= FLAG), shared::toString);
  }

  /** What a block of 9.0 may have, static memory and the system's kilobyte apart. */
  @ParameterizedTest
  @MethodSource("tiled")
  void whatWgmmaTakesFitsOnTheDeviceThatHasIt(Encoding encoding) {
    if (Wgmma.has(encoding)) {
      long bytes = OnChip.wgmma(encoding);
      assertTrue(bytes > 100 << 10 && bytes <= 226 << 10, bytes + " bytes");
    }
  }
}
