package dev.yuzui.cli.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.hub.HubName;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PullProgressTest {
  private static final long MIB = 1 << 20;
  private static final long SECOND = 1_000_000_000L;

  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private long now;

  private PullProgress progress(Set<String> terminals) {
    Context context =
        new Context(
            new Surroundings(Optional.empty(), Path.of("cache"), terminals, OptionalInt.empty()),
            new ByteArrayInputStream(new byte[0]),
            new Out(OutputStream.nullOutputStream()),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    return new PullProgress(context, HubName.parse("org/tiny"), () -> now);
  }

  private String said() {
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void aFileGetsALineNowAndThen() {
    try (PullProgress progress = progress(Set.of())) {
      for (int i = 1; i <= 20; i++) {
        now += SECOND;
        progress.progressed((i + 100) * MIB, i * MIB, 200 * MIB);
      }
      assertEquals(
          """
          110.0 MiB of 200.0 MiB, 55 %, 1.0 MiB/s, 0:01:30 left
          120.0 MiB of 200.0 MiB, 60 %, 1.0 MiB/s, 0:01:20 left
          """,
          said());
    }
    assertTrue(said().endsWith("fetched 20.0 MiB in 20.0 s, 1.0 MiB/s\n"), said());
  }

  @Test
  void aTerminalGetsOneLineThatIsTakenAwayForOthers() {
    try (PullProgress progress = progress(Set.of("err"))) {
      now += SECOND;
      progress.progressed(MIB, MIB, 2 * MIB);
      now += SECOND / 100;
      progress.progressed(MIB + 1, MIB + 1, 2 * MIB);
      assertEquals("\r1.0 MiB of 2.0 MiB, 50 %, 1.0 MiB/s, 0:00:01 left", said().stripTrailing());
      progress.said("waits");
      assertTrue(said().endsWith("\rwaits\n"), said());
      now += SECOND;
      progress.progressed(2 * MIB, 2 * MIB, 2 * MIB);
      assertTrue(said().contains("100 %, checking"), said());
    }
    assertEquals(1, said().lines().filter(line -> line.contains("fetched")).count());
  }

  @Test
  void nothingIsSaidOfNothing() {
    progress(Set.of("err")).close();
    assertEquals("", said());
  }
}
