package dev.yuzui.cli.evaluate;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogitsCommandTest {
  private static final int VOCABULARY = 260;

  @TempDir private Path folder;

  @Test
  void theFileHoldsOneRowOfLittleEndianFloatsPerToken() throws IOException {
    JsonNode expected = Json.mapper().readTree(Path.of(FOLDER, "expected.json").toFile());
    String tokens =
        expected.get("tokens").valueStream().map(JsonNode::asText).collect(Collectors.joining(","));
    FloatBuffer mine = run("--tokens", tokens);
    assertEquals(expected.get("tokens").size() * VOCABULARY, mine.remaining());
    assertClose(floats(Path.of(FOLDER, "logits.f32")), mine);
    assertClose(floats(Path.of(FOLDER, "mtp.f32")), run("--tokens", tokens, "--mtp"));
  }

  @Test
  void aTextBeginsWithBos() throws IOException {
    assertEquals(run("--tokens", "256,72,105"), run("-p", "Hi"));
  }

  @Test
  void anIdOutsideTheVocabularyIsRefused() {
    CommandRun run =
        yuzui("logits", "-m", FOLDER, "--tokens", "1,260", "--out", folder.resolve("x").toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("260"), run.err());
  }

  @Test
  void aFileThatCannotBeWrittenIsAFailure() {
    Path nowhere = folder.resolve("missing").resolve("x");
    CommandRun run = yuzui("logits", "-m", FOLDER, "--tokens", "1", "--out", nowhere.toString());
    assertEquals(ExitCode.FAILED, run.exitCode());
    assertTrue(run.err().contains("--out " + nowhere), run.err());
    assertTrue(run.err().contains("its folder does not exist"), run.err());
  }

  @Test
  void aFileThatHasSomethingInItIsLeftAsItIs() throws IOException {
    Path thesis = Files.writeString(folder.resolve("thesis.txt"), "my thesis");
    CommandRun run = yuzui("logits", "-m", FOLDER, "--tokens", "1", "--out", thesis.toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("--out: expected a new file"), run.err());
    assertEquals("my thesis", Files.readString(thesis));
  }

  private FloatBuffer run(String... arguments) throws IOException {
    Path file = folder.resolve("logits.f32");
    String[] all = new String[arguments.length + 5];
    System.arraycopy(new String[] {"logits", "-m", FOLDER, "--out", file.toString()}, 0, all, 0, 5);
    System.arraycopy(arguments, 0, all, 5, arguments.length);
    Files.deleteIfExists(file);
    CommandRun run = yuzui(all);
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("", run.out());
    return floats(file);
  }

  private static FloatBuffer floats(Path file) throws IOException {
    return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
  }

  /** Relative L2 error; the cache is F16 by default. */
  private static void assertClose(FloatBuffer expected, FloatBuffer found) {
    assertEquals(expected.remaining(), found.remaining());
    double off = 0;
    double all = 0;
    for (int i = 0; i < expected.remaining(); i++) {
      off += Math.pow(expected.get(i) - found.get(i), 2);
      all += Math.pow(expected.get(i), 2);
    }
    assertTrue(Math.sqrt(off / all) < 2e-3, "relative error " + Math.sqrt(off / all));
  }
}
