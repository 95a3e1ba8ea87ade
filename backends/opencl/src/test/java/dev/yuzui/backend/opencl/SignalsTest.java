package dev.yuzui.backend.opencl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whatever the driver does, the process handles signals as before. In processes of their own: a
 * driver takes them when it is first used.
 */
class SignalsTest {
  @BeforeEach
  void needsADevice() {
    Driver.refusal()
        .ifPresent(r -> Assumptions.abort("opencl is unusable: " + r.because() + ". " + r.fix()));
  }

  @Test
  void handlersAreTheSameAfterEveryUseOfTheDriver(@TempDir Path folder) throws Exception {
    assertEquals(
        List.of(
            "looked for: []",
            "probed: []",
            "opened: []",
            "launched: []",
            "recorded: []",
            "replayed: []",
            "closed: []"),
        run(Uses.class, folder));
  }

  @Test
  void threadsThatAreStoppedOutliveTwoHundredListings(@TempDir Path folder) throws Exception {
    assertEquals(List.of("200 listings"), run(Listings.class, folder));
  }

  /** What {@code child} says, once it has ended well; it finds nothing that was compiled before. */
  private static List<String> run(Class<?> child, Path folder)
      throws IOException, InterruptedException {
    Path log = folder.resolve("log");
    ProcessBuilder builder =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                child.getName())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().put("POCL_CACHE_DIR", folder.toString());
    Process process = builder.start();
    try {
      assertTrue(process.waitFor(120, TimeUnit.SECONDS), "it ended");
      assertEquals(0, process.exitValue(), Files.readString(log));
      return Files.readAllLines(log);
    } finally {
      process.destroyForcibly();
    }
  }

  static final class Uses {
    private static final int SIGNALS = 32;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle SIGACTION =
        LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("sigaction"),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));

    private Uses() {}

    public static void main(String[] args) {
      List<Long> before = handlers();
      Driver.refusal();
      tell("looked for", before);
      OpenClProvider provider = new OpenClProvider();
      provider.preference();
      provider.probe();
      provider.probeAll();
      tell("probed", before);
      Backend backend = provider.open(new BackendOptions(1, Optional.empty(), true, _ -> {}));
      tell("opened", before);
      DeviceBuffer buffer = backend.allocate(32, "two numbers");
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, 1);
      Tensor y = new Tensor("y", buffer, 16, Encoding.F32, 1, 1);
      DeviceQueue queue = backend.openQueue();
      queue.ops().add(x, x, x);
      queue.synchronize();
      tell("launched", before);
      DeviceQueue.Recording recording = queue.record(() -> queue.ops().rmsNorm(x, x, 1e-5f, y));
      queue.synchronize();
      tell("recorded", before);
      recording.replay();
      queue.synchronize();
      tell("replayed", before);
      recording.close();
      queue.close();
      buffer.close();
      backend.close();
      tell("closed", before);
    }

    /** The signals whose handlers have changed. */
    private static void tell(String done, List<Long> before) {
      List<Long> now = handlers();
      System.out.println(
          done
              + ": "
              + IntStream.range(0, now.size())
                  .filter(i -> !now.get(i).equals(before.get(i)))
                  .mapToObj(i -> i + 1)
                  .toList());
    }

    private static List<Long> handlers() {
      List<Long> handlers = new ArrayList<>();
      try (Arena arena = Arena.ofConfined()) {
        for (int signal = 1; signal < SIGNALS; signal++) {
          MemorySegment action = arena.allocate(256, 16);
          int _ = (int) SIGACTION.invokeExact(signal, MemorySegment.NULL, action);
          handlers.add(action.get(JAVA_LONG, 0));
        }
        return handlers;
      } catch (Throwable t) {
        throw new LinkageError("sigaction", t);
      }
    }
  }

  static final class Listings {
    private static volatile boolean over;

    @SuppressWarnings("UnusedVariable") // keeps the loops from being left out
    private static volatile long sum;

    private Listings() {}

    public static void main(String[] args) throws InterruptedException {
      OpenClProvider provider = new OpenClProvider();
      provider.probeAll(); // the one time that a driver changes handlers while it is at work
      List<Thread> threads =
          List.of(
              new Thread(Listings::spin),
              new Thread(Listings::spin),
              new Thread(Listings::collect));
      threads.forEach(Thread::start);
      int listings = 0;
      while (listings < 200) {
        provider.probeAll();
        listings++;
      }
      over = true;
      for (Thread thread : threads) {
        thread.join();
      }
      System.out.println(listings + " listings");
    }

    /** Is stopped by SIGSEGV: at the end of a round there is nothing but a look at a page. */
    private static void spin() {
      long x = 1;
      while (!over) {
        for (int i = 0; i < 1000; i++) {
          x = x * 31 + i;
        }
      }
      sum = x;
    }

    private static void collect() {
      try {
        while (!over) {
          System.gc();
          Thread.sleep(2); // leaves the processors to the listing
        }
      } catch (InterruptedException _) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
