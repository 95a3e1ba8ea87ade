package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.EngineException;
import dev.yuzui.spi.BackendException;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.WeightException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class FailuresTest {
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  static Stream<Arguments> failures() {
    return Stream.of(
        Arguments.of(
            new WeightException(Path.of("m.gguf"), "blk.0", "F32", "F64", "convert it"),
            2,
            "yuzui: m.gguf: blk.0: expected F32, found F64; convert it"),
        Arguments.of(new UsageException("-n: no"), 2, "yuzui: -n: no"),
        Arguments.of(new EngineException("too long"), 2, "yuzui: too long"),
        Arguments.of(new TextException("no vocabulary"), 2, "yuzui: no vocabulary"),
        Arguments.of(new BackendException("cuda: gone", "reboot"), 1, "yuzui: cuda: gone: reboot"),
        Arguments.of(new FailedException("disk full"), 1, "yuzui: disk full"),
        Arguments.of(
            new IllegalStateException("odd\nmore"),
            1,
            "yuzui: unexpected IllegalStateException: odd; run with --stack-trace for details"));
  }

  @ParameterizedTest
  @MethodSource
  void failures(Throwable failure, int code, String line) {
    assertEquals(code, failures(new ByteArrayOutputStream()).report(failure, false));
    assertEquals(line, err().strip());
  }

  @Test
  void runningOutOfMemorySaysWhatHelps() {
    assertEquals(
        1,
        failures(new ByteArrayOutputStream())
            .report(new OutOfMemoryError("Java heap space"), false));
    assertTrue(err().contains("smaller -c or -b"), err());
  }

  @Test
  void theStackTraceComesWhenAskedFor() {
    failures(new ByteArrayOutputStream()).report(new IllegalStateException("odd"), true);
    assertTrue(err().contains("at dev.yuzui.cli.FailuresTest"), err());
  }

  @Test
  void aReaderThatHasGoneEndsTheCommandQuietly() {
    assertEquals(0, Cli.run(context(broken("Broken pipe")), "devices"));
    assertEquals("", err());
  }

  @Test
  void aFullDiskIsAFailure() {
    assertEquals(1, Cli.run(context(broken("No space left on device")), "devices"));
    assertEquals(
        "yuzui: standard output cannot be written: No space left on device", err().strip());
  }

  @Test
  void aChatWhoseAnswersNobodyGetsEnds() {
    for (String why : List.of("No space left on device", "Broken pipe")) {
      Context context = context(broken(why), "Hello\nAgain\n/stats\n");
      int code = Cli.run(context, "chat", "-m", CommandRun.GGUF, "-n", "1", "--temp", "0");
      assertEquals(why.startsWith("Broken") ? 0 : 1, code);
      assertFalse(err().contains("messages"), "no line after the first is read: " + err());
    }
    assertEquals(
        "yuzui: standard output cannot be written: No space left on device", err().strip());
  }

  private static OutputStream broken(String why) {
    return new OutputStream() {
      @Override
      public void write(int b) throws IOException {
        throw new IOException(why);
      }
    };
  }

  private Failures failures(OutputStream out) {
    return new Failures(context(out));
  }

  private Context context(OutputStream out) {
    return context(out, "");
  }

  private Context context(OutputStream out, String input) {
    return new Context(
        new Surroundings(
            Optional.empty(), Path.of("target", "no-such-cache"), Set.of(), OptionalInt.empty()),
        new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
        new Out(out),
        new PrintStream(err, true, StandardCharsets.UTF_8));
  }

  private String err() {
    return err.toString(StandardCharsets.UTF_8);
  }
}
