package dev.yuzui.backend.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** The library that the build made of native-kernels/cpu, looked for once. */
sealed interface NativeLibrary {
  NativeLibrary INSTANCE = open();

  record Found(SymbolLookup symbols) implements NativeLibrary {}

  record Missing(String because) implements NativeLibrary {}

  private static NativeLibrary open() {
    String platform = CpuProvider.platform();
    String name = platform + "/libyuzui_cpu.so";
    URL resource = NativeLibrary.class.getResource(name);
    if (resource == null) {
      return new Missing(
          "this build has none for " + platform + "; on x86-64 Linux it makes them with gcc");
    }
    try {
      return new Found(load(resource));
    } catch (IOException | URISyntaxException | IllegalArgumentException e) {
      return new Missing("the library " + resource + " cannot be opened: " + e.getMessage());
    }
  }

  private static SymbolLookup load(URL resource) throws IOException, URISyntaxException {
    if (resource.getProtocol().equals("file")) {
      return SymbolLookup.libraryLookup(Path.of(resource.toURI()), Arena.global());
    }
    // of a jar: a file that only this user reads, gone from its folder once it is open
    Path copy = Files.createTempFile("yuzui-cpu-", ".so");
    try (InputStream in = resource.openStream()) {
      Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
      return SymbolLookup.libraryLookup(copy, Arena.global());
    } finally {
      Files.delete(copy);
    }
  }
}
