package dev.yuzui.convert;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.convert.PartFiles.Target;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is on the disk while a conversion runs, and after it was cut. */
class PartFilesTest {
  private static final Path MODEL =
      Path.of(
          System.getProperty("yuzui.root"),
          "tests/system/src/test/resources/golden/gguf-v3-f32/model.gguf");

  @TempDir private Path folder;

  private static final class Cut extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /** Cuts a run when so many weights are written, as a person or a power failure would. */
  private record CutAt(double share) implements ConvertListener {
    @Override
    public void remark(String line) {}

    @Override
    public void progress(long done, long before, long total) {
      if (done >= share * total) {
        throw new Cut();
      }
    }
  }

  private ConvertOptions options(String out, TypeMix type) {
    return new ConvertOptions(
        MODEL,
        folder.resolve(out),
        type,
        List.of(),
        Optional.empty(),
        OptionalLong.empty(),
        false,
        2);
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aCutRunGoesOnAndGivesTheSameFile() throws IOException {
    Convert.Result whole = Convert.run(options("whole.gguf", TypeMix.Q8_0), new CutAt(2));
    assertEquals(0, whole.resumed());
    int before = 0;
    for (double share : new double[] {0.3, 0.6, 0.9}) {
      assertThrows(
          RuntimeException.class,
          () -> Convert.run(options("cut.gguf", TypeMix.Q8_0), new CutAt(share)));
      assertEquals(List.of("cut.gguf.part", "cut.gguf.part.done", "whole.gguf"), left());
      int noted = Files.readAllLines(folder.resolve("cut.gguf.part.done")).size() - 1;
      assertTrue(noted > before, noted + " tensors at " + share);
      before = noted;
    }
    Convert.Result rest = Convert.run(options("cut.gguf", TypeMix.Q8_0), new CutAt(2));
    assertEquals(before, rest.resumed());
    assertEquals(-1, Files.mismatch(folder.resolve("cut.gguf"), folder.resolve("whole.gguf")));
    assertEquals(List.of("cut.gguf", "whole.gguf"), left());
  }

  @Test
  void aCutRunIsNotGoneOnWithForAnotherType() {
    assertThrows(
        RuntimeException.class,
        () -> Convert.run(options("out.gguf", TypeMix.Q8_0), new CutAt(0.5)));
    ConvertException e =
        assertThrows(
            ConvertException.class,
            () -> Convert.run(options("out.gguf", TypeMix.Q4_0), new CutAt(2)));
    assertTrue(e.getMessage().contains("ConvertOptions.force"), e.getMessage());
  }

  /** The last line of a record may have been cut in the middle of a number. */
  @Test
  void halfALineIsNotBelieved() throws IOException {
    Path out = folder.resolve("out.gguf");
    List<Target> targets = List.of(new Target(out, 96));
    Files.write(targets.getFirst().part(), new byte[96]);
    Files.writeString(folder.resolve("out.gguf.part.done"), "made\n1\n1");
    try (PartFiles files = PartFiles.open(out, targets, List.of(32L, 32L, 32L), "made", false)) {
      assertEquals(
          "false true false", files.isDone(0) + " " + files.isDone(1) + " " + files.isDone(2));
    }
  }

  @Test
  void roomIsAskedForBeforeAnythingIsWritten() throws IOException {
    Path out = folder.resolve("out.gguf");
    long much = 1L << 60;
    ConvertException e =
        assertThrows(
            ConvertException.class,
            () ->
                PartFiles.open(out, List.of(new Target(out, much)), List.of(much), "made", false)
                    .close());
    assertTrue(e.getMessage().contains(much + " bytes free"), e.getMessage());
    assertEquals(List.of(), left());
  }

  @Test
  void filesTakeTheirNamesWhenAllAreWhole() throws IOException {
    Path a = folder.resolve("a.gguf");
    Path b = folder.resolve("b.gguf");
    List<Target> targets = List.of(new Target(a, 4), new Target(b, 4));
    try (PartFiles files = PartFiles.open(a, targets, List.of(4L, 4L), "made", false)) {
      files.write(0, "four".getBytes(StandardCharsets.UTF_8), 4, 0);
      files.write(1, "five".getBytes(StandardCharsets.UTF_8), 4, 0);
      assertEquals(List.of("a.gguf.part", "a.gguf.part.done", "b.gguf.part"), left());
      assertEquals(List.of(a, b), files.publish());
    }
    assertEquals(List.of("a.gguf", "b.gguf"), left());
  }
}
