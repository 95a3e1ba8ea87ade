package dev.yuzui.backend.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.DirectoryStream;
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
    String file = System.mapLibraryName("yuzui_cpu");
    URL resource = NativeLibrary.class.getResource(platform + "/" + file);
    if (resource == null) {
      return new Missing(
          "this build has none for "
              + platform
              + "; on Linux and macOS, x86-64 and aarch64, it makes them with gcc or clang");
    }
    try {
      return new Found(load(resource, file.substring(file.lastIndexOf('.'))));
    } catch (IOException | URISyntaxException | IllegalArgumentException e) {
      return new Missing("the library " + resource + " cannot be opened: " + e.getMessage());
    }
  }

  private static SymbolLookup load(URL resource, String suffix)
      throws IOException, URISyntaxException {
    if (resource.getProtocol().equals("file")) {
      return SymbolLookup.libraryLookup(Path.of(resource.toURI()), Arena.global());
    }
    // of a jar: a file that only this user reads, gone from its folder once it is open
    Path copy = Files.createTempFile("yuzui-cpu-", suffix);
    try (InputStream in = resource.openStream()) {
      Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
      return SymbolLookup.libraryLookup(copy, Arena.global());
    } finally {
      if (CpuProvider.platform().startsWith("windows")) {
        deleteCopies(copy.toAbsolutePath().getParent(), suffix);
      } else {
        Files.delete(copy);
      }
    }
  }

  /** Windows keeps a file while a process has it open: those of processes that have ended go. */
  private static void deleteCopies(Path folder, String suffix) throws IOException {
    try (DirectoryStream<Path> copies = Files.newDirectoryStream(folder, "yuzui-cpu-*" + suffix)) {
      for (Path copy : copies) {
        try {
          Files.deleteIfExists(copy);
        } catch (IOException _) {
          // in use
        }
      }
    }
  }
}
