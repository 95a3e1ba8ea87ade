package dev.yuzui.cudasim;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestPlan;

/**
 * Builds the simulator before the first test looks for a driver, and puts it into this module's
 * build folder, which is there when the JVM starts: the loader forgets folders of its path that are
 * not. Where there is no g++ there is no simulator, and the tests skip for want of a driver;
 * otherwise they must find one.
 */
public final class BuildSimulator implements TestExecutionListener {
  private static final String LIBRARY = "libcuda.so.1";
  private static final int NO_COMPILER = 3;

  @Override
  public void testPlanExecutionStarted(TestPlan plan) {
    Path root = Path.of(System.getProperty("yuzui.root"));
    Path built = root.resolve("target/cudasim");
    try {
      int status =
          new ProcessBuilder(
                  root.resolve("native-kernels/cudasim/build").toString(), built.toString())
              .inheritIO()
              .start()
              .waitFor();
      if (status != NO_COMPILER) {
        System.setProperty("yuzui.require", "cuda");
        Files.copy(
            built.resolve(LIBRARY),
            root.resolve("tests/cudasim/target").resolve(LIBRARY),
            StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
