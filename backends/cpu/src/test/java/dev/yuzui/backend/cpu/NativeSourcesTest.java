package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What loading the library runs, on a processor of any age: a constructor in a file compiled for
 * AVX-512 ends the process of a machine without it before anything could be asked.
 */
class NativeSourcesTest {
  private static final Path SOURCES =
      Path.of(System.getProperty("yuzui.root", "../.."), "native-kernels/cpu");

  @Test
  void onlyTheFileThatEveryProcessorCanRunHasAConstructor() throws IOException {
    List<String> found = new ArrayList<>();
    try (var files = Files.list(SOURCES)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        if (Files.readString(file).contains("__attribute__((constructor))")) {
          found.add(file.getFileName().toString());
        }
      }
    }
    assertEquals(List.of("dispatch.c"), found);
  }
}
