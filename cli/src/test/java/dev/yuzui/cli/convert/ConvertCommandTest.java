package dev.yuzui.cli.convert;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the numbers become is ConvertTest's matter, of the whole models. */
class ConvertCommandTest {
  @TempDir private Path folder;

  private CommandRun convert(String out, String type, String... more) {
    List<String> line = new ArrayList<>(List.of("convert", "-m", FOLDER, "--type", type));
    line.addAll(List.of("-o", folder.resolve(out).toString()));
    line.addAll(List.of(more));
    return yuzui(line.toArray(String[]::new));
  }

  private static void refused(CommandRun run, String... words) {
    assertEquals(ExitCode.USAGE, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    for (String word : words) {
      assertTrue(run.err().contains(word), word + " is not in " + run.err());
    }
  }

  private byte[] logits(Path model) throws IOException {
    Path out = folder.resolve("logits-" + model.getFileName());
    CommandRun run =
        yuzui(
            "logits",
            "-m",
            model.toString(),
            "--tokens",
            "256,72,105,33",
            "--backend",
            "reference",
            "--out",
            out.toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return Files.readAllBytes(out);
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void theFileIsNamedOnStandardOutputAndItsTypesOnStandardError() throws IOException {
    CommandRun run = convert("out.gguf", "q4_k_m");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(folder.resolve("out.gguf") + "\n", run.out());
    assertTrue(
        run.err().matches("(?s).*\\d+ tensors \\(.*F32.*\\): .* bits a weight.*"), run.err());
    assertEquals(List.of("out.gguf"), left());
  }

  @Test
  void aSplitFileIsTheSameModelAndCanBeConvertedAgain() throws IOException {
    convert("whole.gguf", "F32");
    CommandRun run = convert("split.gguf", "F32", "--split-max-size", "200K");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    List<String> names = run.out().lines().toList();
    assertTrue(names.size() > 2, run.out());
    String first = "split-00001-of-%05d.gguf".formatted(names.size());
    assertEquals(folder.resolve(first).toString(), names.getFirst());
    byte[] whole = logits(folder.resolve("whole.gguf"));
    assertArrayEquals(whole, logits(folder.resolve(first)));
    CommandRun again =
        yuzui(
            "convert",
            "-m",
            names.getLast(),
            "-o",
            folder.resolve("joined.gguf").toString(),
            "--type",
            "F32");
    assertEquals(ExitCode.DONE, again.exitCode(), again.err());
    assertEquals(-1, Files.mismatch(folder.resolve("joined.gguf"), folder.resolve("whole.gguf")));
  }

  @Test
  void nothingIsOverwrittenWithoutForce() throws IOException {
    Path out = Files.writeString(folder.resolve("out.gguf"), "mine");
    refused(convert("out.gguf", "F16"), "-o: expected", out.toString(), "--force");
    assertEquals("mine", Files.readString(out));
    assertEquals(List.of("out.gguf"), left());
    assertEquals(ExitCode.DONE, convert("out.gguf", "F16", "--force").exitCode());
    assertTrue(Files.size(out) > 1000);
  }

  @Test
  void aModelIsNotWrittenOverItself() {
    CommandRun run = yuzui("convert", "-m", GGUF, "-o", GGUF, "--type", "F16", "--force");
    refused(run, "another file than the model's own", GGUF);
  }

  @Test
  void whatIsMistypedIsNamedWithWhatThereIs() {
    refused(convert("o.gguf", "Q4_X"), "--type: expected one of", "Q4_K_M", "MXFP4", "Q4_X");
    refused(convert("o.gguf", "F16", "--tensor-type", "ffn"), "--tensor-type: expected REGEX=TYPE");
    refused(convert("o.gguf", "F16", "--tensor-type", "f=Q9"), "--tensor-type f=Q9", "Q6_K", "Q9");
    refused(
        convert("o.gguf", "F16", "--tensor-type", "(a=Q8_0"),
        "--tensor-type (a=Q8_0",
        "a regular expression");
    refused(convert("o.bin", "F16"), "-o: expected a name that ends in .gguf");
    refused(convert("o.gguf", "F16", "--imatrix", folder.resolve("no").toString()), "no", "file");
    refused(convert("o.gguf", "F16", "--imatrix", GGUF), "general.type", "imatrix");
  }

  @Test
  void whereNothingCanBeWrittenItSaysSo() throws IOException {
    refused(convert("missing/out.gguf", "F16"), "-o", "a folder that is there");
    Files.writeString(folder.resolve("file"), "");
    refused(convert("file/out.gguf", "F16"), "-o", "a folder that is there");
    assertEquals(List.of("file"), left());
  }

  @Test
  void theRecordOfAnotherConversionIsNotGoneOnWith() throws IOException {
    Files.writeString(folder.resolve("out.gguf.part"), "half");
    Files.writeString(folder.resolve("out.gguf.part.done"), "yuzui convert Q8_0 00ff\n0\n");
    refused(convert("out.gguf", "F16"), "out.gguf.part.done", "--force");
    assertEquals("half", Files.readString(folder.resolve("out.gguf.part")));
    assertEquals(ExitCode.DONE, convert("out.gguf", "F16", "--force").exitCode());
    assertFalse(Files.exists(folder.resolve("out.gguf.part")));
  }

  @Test
  void anImportanceMatrixIsMeasuredAndUsed() throws IOException {
    Path text = Files.writeString(folder.resolve("text"), "Once upon a time there was. ".repeat(9));
    Path matrix = folder.resolve("imatrix.gguf");
    CommandRun measured =
        yuzui(
            "imatrix",
            "-m",
            FOLDER,
            "-f",
            text.toString(),
            "-o",
            matrix.toString(),
            "--chunk",
            "64",
            "--chunks",
            "2");
    assertEquals(ExitCode.DONE, measured.exitCode(), measured.err());
    assertEquals(matrix + "\n", measured.out());
    assertTrue(measured.err().contains("experts were given fewer than 32 tokens"), measured.err());

    assertEquals(ExitCode.DONE, convert("plain.gguf", "Q4_0").exitCode());
    CommandRun run = convert("weighed.gguf", "Q4_0", "--imatrix", matrix.toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertFalse(run.err().contains("not in the importance matrix"), run.err());
    Path weighed = folder.resolve("weighed.gguf");
    assertTrue(Files.mismatch(folder.resolve("plain.gguf"), weighed) > 0);
    CommandRun shown = yuzui("inspect", "-m", weighed.toString(), "--metadata");
    assertTrue(shown.out().contains("quantize.imatrix.dataset"), shown.out());
    assertTrue(shown.out().contains("text"), shown.out());

    refused(
        yuzui("imatrix", "-m", FOLDER, "-f", text.toString(), "-o", matrix.toString()),
        "-o: expected a file that is not there yet");
  }
}
