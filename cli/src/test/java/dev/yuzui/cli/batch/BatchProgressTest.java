package dev.yuzui.cli.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.Screen;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.engine.api.DeviceLoad;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class BatchProgressTest {
  private static final long SECOND = 1_000_000_000L;

  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final AtomicLong clock = new AtomicLong();
  private List<DeviceLoad> devices = List.of();

  private BatchProgress progress(OptionalLong total, Set<String> terminals) {
    Context context =
        new Context(
            new Surroundings(
                Optional.empty(),
                Path.of("target", "no-such-cache"),
                terminals,
                OptionalInt.empty()),
            new ByteArrayInputStream(new byte[0]),
            new Out(OutputStream.nullOutputStream()),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    return new BatchProgress(context, total, 20, clock::get, () -> devices);
  }

  private String shown() {
    return err.toString(StandardCharsets.UTF_8);
  }

  /** Ten lines with 50 tokens each, one a second. */
  private void work(BatchProgress progress) {
    for (int i = 0; i < 10; i++) {
      clock.addAndGet(SECOND);
      progress.answered(7, 50);
      progress.tick();
    }
  }

  @Test
  void aLogGetsALineEveryTenSeconds() {
    try (BatchProgress progress = progress(OptionalLong.of(3630), Set.of())) {
      work(progress);
      assertEquals("30 of 3630 lines, 50.0 tokens a second, 1:00:00 left\n", shown());
      work(progress);
      assertEquals(2, shown().lines().count());
    }
  }

  @Test
  void withoutATotalThereIsNoTimeLeft() {
    try (BatchProgress progress = progress(OptionalLong.empty(), Set.of())) {
      work(progress);
      assertEquals("30 lines, 50.0 tokens a second\n", shown());
    }
  }

  @Test
  void aTerminalSeesABarThatIsGoneAtTheEnd() {
    try (BatchProgress progress = progress(OptionalLong.of(30), Set.of("err"))) {
      work(progress);
    }
    assertTrue(shown().contains("30/30"), shown());
    assertTrue(shown().contains("50.0 tokens a second"), shown());
    String[] states = shown().split("\r");
    assertEquals("", states[states.length - 1].strip(), "what is left on the line");
  }

  private static List<DeviceLoad> twoDevices() {
    return List.of(
        new DeviceLoad("cuda:0", 3, 300, 6000, 2 << 20, 1 << 20),
        new DeviceLoad("cuda:1", 1, 200, 2000, 1 << 20, 2 << 20));
  }

  @Test
  void severalDevicesHaveALineEach() {
    devices = twoDevices();
    try (BatchProgress progress = progress(OptionalLong.of(3630), Set.of())) {
      work(progress);
      assertEquals(
          """
          30 of 3630 lines, 50.0 tokens a second, 1:00:00 left
            cuda:0       3 sequences, 30.0 tokens a second, 75 % of the experts' work
            cuda:1       1 sequences, 20.0 tokens a second, 25 % of the experts' work
          """,
          shown());
      assertEquals(
          """
          2 devices: busiest over the mean 1.20 of tokens, 1.50 of the experts' work; 3.0 MiB moved between them
            cuda:0     300 tokens, 30.0 a second; 6000 choices of experts; 2.0 MiB in, 1.0 MiB out
            cuda:1     200 tokens, 20.0 a second; 2000 choices of experts; 1.0 MiB in, 2.0 MiB out
          """
              .strip(),
          progress.summary().lines().skip(1).collect(Collectors.joining("\n")));
    }
  }

  @Test
  void onATerminalTheirLinesStandUnderTheBarAndGoWithIt() {
    devices = twoDevices();
    try (BatchProgress progress = progress(OptionalLong.of(30), Set.of("err"))) {
      work(progress);
    }
    List<String> screen = Screen.after(shown());
    assertTrue(shown().contains("75 % of the experts' work"), shown());
    assertEquals(List.of(), screen.stream().filter(line -> !line.isBlank()).toList());
  }

  @Test
  void theSummaryCountsThisRunsLinesAndTokens() {
    try (BatchProgress progress = progress(OptionalLong.of(31), Set.of())) {
      work(progress);
      progress.failed();
      assertEquals(
          "11 lines after 20 done before: 10 answered, 1 with errors; prompts 70 tokens, texts 500"
              + " tokens, 50.0 tokens a second; 10.0 s",
          progress.summary());
    }
  }
}
