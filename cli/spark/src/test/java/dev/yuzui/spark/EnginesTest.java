package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which engines a JVM has open, whatever tasks come and go. */
class EnginesTest {
  private static final YuzuiBatchConfig CONFIG =
      YuzuiBatchConfig.of(Path.of(System.getProperty("yuzui.root"), "seeds/demo.gguf").toString())
          .withMaxSequences(1)
          .withThreads(1)
          .withDevices(List.of("cpu:0"));

  private final Engines engines = new Engines();

  @AfterEach
  void close() {
    engines.close();
  }

  @Test
  void tasksShareAnEngineThatIsKeptUntilOneOfOtherSettingsNeedsItsPlace() {
    Engine first = engines.take(CONFIG.withContextLength(64));
    assertSame(first, engines.take(CONFIG.withContextLength(64).withMaxTokens(3)));
    engines.giveBack(first);
    Engine second = engines.take(CONFIG.withContextLength(96));
    assertEquals(2, engines.count(), "one task is left that uses the first");
    engines.giveBack(first);
    assertSame(first, engines.take(CONFIG.withContextLength(64)), "it is idle, and kept");
    engines.giveBack(first);
    Engine third = engines.take(CONFIG.withContextLength(128));
    assertFalse(first.isUsable());
    assertTrue(second.isUsable());
    assertTrue(third.isUsable());
    assertEquals(2, engines.count());
  }
}
