package dev.yuzui.cudasim;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.kit.Required;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The C++ programs that hold the simulator to its promises, and the kernels to sums in double
 * precision and to the fewest bytes; the last prints its table.
 */
class ProgramsTest {
  private static final int NO_COMPILER = 3;

  @ParameterizedTest
  @ValueSource(strings = {"cudasim", "cuda"})
  void pass(String folder) throws IOException, InterruptedException {
    Path root = Path.of(System.getProperty("yuzui.root"));
    ProcessBuilder run =
        new ProcessBuilder(
            root.resolve("native-kernels/" + folder + "/test/run").toString(),
            root.resolve("target/cudasim").toString());
    run.environment().remove("LD_LIBRARY_PATH");
    int status = run.inheritIO().start().waitFor();
    if (status == NO_COMPILER) {
      Required.missing("cudasim", "no g++: the simulator is not built");
    }
    assertEquals(0, status);
  }
}
