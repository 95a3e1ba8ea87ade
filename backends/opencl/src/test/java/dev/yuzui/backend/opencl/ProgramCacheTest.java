package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProgramCacheTest {
  private static final byte[] BINARY = {1, 2, 3, 4, 5};
  private static final DeviceFacts DEVICE =
      OpenClProviderTest.device(0, "platform", "device", false);

  @TempDir Path folder;
  private final List<String> log = new ArrayList<>();

  private ProgramCache cache(Path in) {
    return new ProgramCache(Optional.of(in), log::add);
  }

  private Path only() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("opencl"))) {
      return files.toList().getFirst();
    }
  }

  @Test
  void aProgramIsFoundAgain() throws IOException {
    cache(folder).write("a.bin", () -> BINARY);
    assertArrayEquals(BINARY, cache(folder).read("a.bin").orElseThrow());
    assertEquals(Optional.empty(), cache(folder).read("b.bin"));
    assertEquals("a.bin", only().getFileName().toString(), "nothing else is left");
    assertEquals(List.of(), log);
  }

  @Test
  void anotherSourceOptionDeviceOrDriverIsAnotherProgram() {
    DeviceFacts updated =
        new DeviceFacts(
            0, "platform", "device", "OpenCL 1.2", "2", 0, 0, false, 1, 1, 256, 1, 1, Set.of());
    Set<String> keys =
        Set.of(
            ProgramCache.key(DEVICE, "rows", "source", "-D1"),
            ProgramCache.key(DEVICE, "rows", "sourc", "e-D1"),
            ProgramCache.key(DEVICE, "rows", "source", "-D2"),
            ProgramCache.key(updated, "rows", "source", "-D1"),
            ProgramCache.key(
                OpenClProviderTest.device(0, "platform", "other", false), "rows", "source", "-D1"));
    assertEquals(5, keys.size());
    assertTrue(keys.stream().allMatch(k -> k.matches("rows-[0-9a-f]{32}\\.bin")), keys::toString);
  }

  @Test
  void aDamagedFileIsNoProgramAndIsReplaced() throws IOException {
    cache(folder).write("a.bin", () -> BINARY);
    byte[] whole = Files.readAllBytes(only());
    byte[] flipped = whole.clone();
    flipped[flipped.length - 1] ^= 1;
    byte[] cut = java.util.Arrays.copyOf(whole, 20);
    for (byte[] damaged : List.of(flipped, cut, new byte[0])) {
      Files.write(only(), damaged);
      assertEquals(Optional.empty(), cache(folder).read("a.bin"));
      assertTrue(log.removeFirst().contains("a.bin is damaged; compiled again"));
    }
    cache(folder).write("a.bin", () -> BINARY);
    assertArrayEquals(BINARY, cache(folder).read("a.bin").orElseThrow());
  }

  @Test
  void aFolderThatCannotBeWrittenIsToldAndNoMore() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "in the way");
    cache(file).write("a.bin", () -> BINARY);
    assertTrue(log.getFirst().contains("cannot be written"), log::toString);
    assertEquals(Optional.empty(), cache(file).read("a.bin"));
  }

  @Test
  void withoutAFolderNothingIsKept() {
    ProgramCache none = new ProgramCache(Optional.empty(), log::add);
    none.write(
        "a.bin",
        () -> {
          throw new AssertionError("asked for a binary that is not kept");
        });
    assertEquals(Optional.empty(), none.read("a.bin"));
    assertEquals(List.of(), log);
  }
}
