package dev.yuzui.cli.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

class LoadingTest {
  private static final long MIB = 1 << 20;

  /** What stderr gets while 400 MiB are loaded in four parts. */
  private static String shown(Set<String> terminals, long quietNanos) {
    var err = new ByteArrayOutputStream();
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
    try (Loading loading = new Loading(context, quietNanos)) {
      for (int part = 1; part <= 4; part++) {
        loading.loaded(part * 100 * MIB, 400 * MIB);
      }
    }
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void aTerminalSeesABarThatIsGoneWhenLoadingIsDone() {
    String shown = shown(Set.of("err"), 0);
    assertTrue(shown.contains("Loading"), shown);
    assertTrue(shown.contains("/400 MiB"), shown);
    String[] states = shown.split("\r");
    assertEquals("", states[states.length - 1].strip(), "what is left on the line");
  }

  @Test
  void nothingIsShownWhereNoOneLooksOrNoOneHasToWait() {
    assertEquals("", shown(Set.of("out"), 0));
    assertEquals("", shown(Set.of("err"), Long.MAX_VALUE));
  }
}
