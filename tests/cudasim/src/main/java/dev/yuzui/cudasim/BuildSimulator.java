package dev.yuzui.cudasim;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestPlan;

/**
 * Builds the simulator before the first test looks for a driver. Where there is no g++ there is no
 * simulator, and the tests skip for want of a driver; otherwise they must find one.
 */
public final class BuildSimulator implements TestExecutionListener {
  private static final int NO_COMPILER = 3;

  @Override
  public void testPlanExecutionStarted(TestPlan plan) {
    Path root = Path.of(System.getProperty("yuzui.root"));
    try {
      int status =
          new ProcessBuilder(
                  root.resolve("native-kernels/cudasim/build").toString(),
                  root.resolve("target/cudasim").toString())
              .inheritIO()
              .start()
              .waitFor();
      if (status != NO_COMPILER) {
        System.setProperty("yuzui.require", "cuda");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
