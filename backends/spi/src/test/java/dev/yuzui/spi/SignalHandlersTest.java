package dev.yuzui.spi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver's part is played by this test, on a signal that nobody sends. */
class SignalHandlersTest {
  /** SIGXFSZ of Linux, which the JVM handles. */
  private static final int SIGNAL = 25;

  /** SIGTERM, whose handler is another of the JVM's. */
  private static final int OTHER = 15;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final Optional<MethodHandle> SIGACTION =
      LINKER
          .defaultLookup()
          .find("sigaction")
          .map(
              f ->
                  LINKER.downcallHandle(
                      f, FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS)));

  private final Arena arena = Arena.ofShared();
  private MemorySegment before = MemorySegment.NULL;

  @BeforeEach
  void jvmHasItsHandlers() {
    Assumptions.assumeTrue(SIGACTION.isPresent(), "no sigaction on this system");
    before = get(SIGNAL);
  }

  @AfterEach
  void asItWas() {
    if (SIGACTION.isPresent()) {
      set(SIGNAL, before);
    }
    arena.close();
  }

  private MemorySegment get(int signal) {
    MemorySegment action = arena.allocate(256, 16);
    call(signal, MemorySegment.NULL, action);
    return action;
  }

  private static void set(int signal, MemorySegment action) {
    call(signal, action, MemorySegment.NULL);
  }

  private static void call(int signal, MemorySegment action, MemorySegment old) {
    try {
      assertEquals(0, (int) SIGACTION.orElseThrow().invokeExact(signal, action, old));
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  private long handler(int signal) {
    return get(signal).get(JAVA_LONG, 0);
  }

  /** As a driver does: with a handler that is no code of the JVM's. */
  private void take() {
    MemorySegment action = arena.allocate(256, 16);
    action.set(JAVA_LONG, 0, LINKER.defaultLookup().findOrThrow("abs").address());
    set(SIGNAL, action);
    assertNotEquals(before.get(JAVA_LONG, 0), handler(SIGNAL));
  }

  @Test
  void whatADriverTookIsGivenBack() {
    try (var _ = SignalHandlers.keep()) {
      take();
    }
    MemorySegment now = get(SIGNAL);
    assertEquals(before.get(JAVA_LONG, 0), now.get(JAVA_LONG, 0), "handler");
    assertEquals(before.get(JAVA_LONG, 8), now.get(JAVA_LONG, 8), "mask");
    assertEquals(before.get(JAVA_INT, 136), now.get(JAVA_INT, 136), "flags, where Linux has them");
  }

  @Test
  void alsoWhenTheDriverFails() {
    assertThrows(
        BackendException.class,
        () -> {
          try (var _ = SignalHandlers.keep()) {
            take();
            throw new BackendException("no device", "get one");
          }
        });
    assertEquals(before.get(JAVA_LONG, 0), handler(SIGNAL));
  }

  @Test
  void aSignalThatIsIgnoredStaysIgnored() {
    MemorySegment ignore = arena.allocate(256, 16);
    ignore.set(JAVA_LONG, 0, 1);
    set(SIGNAL, ignore);
    try (var _ = SignalHandlers.keep()) {
      take();
    }
    assertEquals(1, handler(SIGNAL));
  }

  @Test
  void ofSeveralCallsAtOnceNoneTakesADriversHandlerForTheJvms() {
    SignalHandlers.Kept first = SignalHandlers.keep();
    take();
    SignalHandlers.Kept second = SignalHandlers.keep(); // begins with the driver's handler
    first.close();
    assertEquals(before.get(JAVA_LONG, 0), handler(SIGNAL));
    take();
    second.close();
    assertEquals(before.get(JAVA_LONG, 0), handler(SIGNAL));
  }

  @Test
  void aHandlerThatTheJvmChangesMeanwhileStays() {
    long jvms = handler(OTHER);
    assertNotEquals(before.get(JAVA_LONG, 0), jvms);
    Assumptions.assumeTrue(jvms != 0 && jvms != 1, "the JVM does not handle SIGTERM here");
    SignalHandlers.Kept first = SignalHandlers.keep();
    SignalHandlers.Kept second = SignalHandlers.keep();
    set(SIGNAL, get(OTHER));
    first.close();
    assertEquals(jvms, handler(SIGNAL));
    take();
    second.close();
    assertEquals(jvms, handler(SIGNAL), "the newer of the JVM's");
  }

  @Test
  void onceAllAreClosedHandlersAreFree() {
    try (var _ = SignalHandlers.keep()) {}
    take(); // as a profiler does, outside a driver's call
    long profilers = handler(SIGNAL);
    try (var _ = SignalHandlers.keep()) {}
    assertEquals(profilers, handler(SIGNAL));
  }
}
