package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.OutOfMemory;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.io.Texts;
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
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Java heap space                                                   | 2 GiB   | the Java heap may have 2.00 GiB; raise it with JDK_JAVA_OPTIONS=-Xmx4g, or use a smaller -c or -b
          GC overhead limit exceeded                                        | 300 MiB | the Java heap may have 300.0 MiB; raise it with JDK_JAVA_OPTIONS=-Xmx2g, or
          Requested array size exceeds VM limit                             | 5 GiB   | the Java heap may have 5.00 GiB; raise it with JDK_JAVA_OPTIONS=-Xmx10g, or
          Cannot reserve 9 bytes of direct buffer memory (limit: 2147483648)| 2 GiB   | the limit is the heap's, which JDK_JAVA_OPTIONS=-Xmx4g raises
          unable to create native thread                                    | 2 GiB   | out of memory (unable to create native thread): use a smaller -c
          """)
  void runningOutOfMemorySaysOfWhichHowMuchThereWasAndWhatHelps(
      String said, String heap, String expected) {
    long bytes = Long.parseLong(heap.split(" ")[0]) << (heap.endsWith("GiB") ? 30 : 20);
    String explained = OutOfMemory.explain(new OutOfMemoryError(said), bytes);
    assertTrue(explained.contains(expected), explained);
  }

  @Test
  void runningOutOfMemoryTellsTheHeapInForce() {
    assertEquals(
        1,
        failures(new ByteArrayOutputStream())
            .report(new OutOfMemoryError("Java heap space"), false));
    assertTrue(err().contains(Texts.bytes(Runtime.getRuntime().maxMemory())), err());
  }

  @Test
  void theStackTraceComesWhenAskedFor() {
    failures(new ByteArrayOutputStream()).report(new IllegalStateException("odd"), true);
    assertTrue(err().contains("at dev.yuzui.cli.FailuresTest"), err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"devices", "--help", "--version", "generate --help", "completion"})
  void aReaderThatHasGoneEndsTheCommandQuietly(String command) {
    assertEquals(0, Cli.run(context(broken("Broken pipe")), command.split(" ")));
    assertEquals("", err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"devices", "--help", "--version", "generate --help", "completion"})
  void aFullDiskIsAFailure(String command) {
    assertEquals(1, Cli.run(context(broken("No space left on device")), command.split(" ")));
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
