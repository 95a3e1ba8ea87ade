package dev.yuzui.engine.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BackendsTest {
  /** To look for its devices would take a second. */
  public static final class Slow implements BackendProvider {
    @Override
    public String name() {
      return "slow";
    }

    @Override
    public int preference() {
      throw new IllegalStateException("a driver is loaded");
    }

    @Override
    public Probe probe() {
      throw new IllegalStateException("a driver is loaded");
    }

    @Override
    public Backend open(BackendOptions options) {
      throw new IllegalStateException("a driver is loaded");
    }
  }

  @Test
  void whoNamesABackendDoesNotWaitForTheOthersDrivers(@TempDir Path folder) throws IOException {
    Path services = Files.createDirectories(folder.resolve("META-INF/services"));
    Files.writeString(services.resolve(BackendProvider.class.getName()), Slow.class.getName());
    URI added = folder.toUri();
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {added.toURL()}, before)) {
      thread.setContextClassLoader(loader);
      RuntimeOptions options = RuntimeOptions.of(folder);
      assertEquals("reference", Backends.of(options.withBackend("reference")).name());
      assertEquals(
          "reference",
          Backends.devices(options.withDevices(List.of("reference"))).getFirst().name());
      assertThrows(IllegalStateException.class, Backends::all, "and it was there");
    } finally {
      thread.setContextClassLoader(before);
    }
  }
}
