package dev.yuzui.spi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Gives signals back to those who handled them before a driver came. Drivers that embed LLVM put
 * one-shot handlers over the JVM's, which stops threads by SIGSEGV: when two threads stop at once,
 * the first takes the handler away and the second ends the process, without a word. So whatever may
 * load a driver, or let one compile, is done inside {@link #keep}.
 *
 * <p>Between the driver's change and the end of the call that window is open; PoCL's first listing
 * of devices leaves it open for some milliseconds. Later calls do not open it again: LLVM believes
 * its handlers are there. So devices are best listed before many threads run. Who cannot do so
 * starts the JVM with {@code LD_PRELOAD=$JAVA_HOME/lib/libjsig.so}: then no library takes SIGSEGV
 * and its like from it.
 */
public final class SignalHandlers {
  /** Of signals, those before the real-time ones: no system has more. */
  private static final int SIGNALS = 32;

  /** More than any system's {@code struct sigaction} takes; all begin with the handler. */
  private static final long ACTION_BYTES = 256;

  private static final SignalHandlers PROCESS = new SignalHandlers();

  private final Optional<Calls> calls = Calls.find();
  private final MemorySegment kept = Arena.global().allocate(SIGNALS * ACTION_BYTES, 16);
  private final MemorySegment now = Arena.global().allocate(ACTION_BYTES, 16);
  private int open;

  private SignalHandlers() {}

  /** To be closed once. */
  public interface Kept extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Until it is closed, a driver may do as it likes; then signals are handled as they were before,
   * but for handlers that the JVM itself has changed meanwhile. Costs some 60 system calls. Any
   * number may be open, on any threads; does nothing on systems without {@code sigaction}.
   */
  public static Kept keep() {
    PROCESS.begin();
    return PROCESS::end;
  }

  /**
   * While others are open the handlers may be a driver's already: what was kept before them stands.
   */
  private synchronized void begin() {
    if (open++ == 0) {
      calls.ifPresent(
          c -> {
            for (int signal = 1; signal < SIGNALS; signal++) {
              c.get(signal, kept(signal));
            }
          });
    }
  }

  private synchronized void end() {
    open--;
    calls.ifPresent(
        c -> {
          for (int signal = 1; signal < SIGNALS; signal++) {
            putBack(c, signal);
          }
        });
  }

  private void putBack(Calls c, int signal) {
    c.get(signal, now);
    if (handler(now) == handler(kept(signal))) {
      return;
    }
    if (c.isJvms(handler(now))) {
      kept(signal).copyFrom(now);
    } else {
      c.set(signal, kept(signal));
    }
  }

  private MemorySegment kept(int signal) {
    return kept.asSlice(signal * ACTION_BYTES, ACTION_BYTES);
  }

  private static long handler(MemorySegment action) {
    return action.get(JAVA_LONG, 0);
  }

  /** Of the C library. */
  private record Calls(MethodHandle sigaction, MethodHandle dladdr) {
    /** Of {@code Dl_info}: the library's path first, then three addresses. */
    private static final long INFO_BYTES = 32;

    static Optional<Calls> find() {
      SymbolLookup library = Linker.nativeLinker().defaultLookup();
      return library
          .find("sigaction")
          .flatMap(
              sigaction ->
                  library
                      .find("dladdr")
                      .map(
                          dladdr ->
                              new Calls(
                                  bind(sigaction, JAVA_INT, ADDRESS, ADDRESS),
                                  bind(dladdr, ADDRESS, ADDRESS))));
    }

    @SuppressWarnings("restricted")
    private static MethodHandle bind(MemorySegment function, MemoryLayout... arguments) {
      return Linker.nativeLinker()
          .downcallHandle(function, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    void get(int signal, MemorySegment to) {
      call(signal, MemorySegment.NULL, to);
    }

    void set(int signal, MemorySegment action) {
      call(signal, action, MemorySegment.NULL);
    }

    private void call(int signal, MemorySegment action, MemorySegment old) {
      try {
        int _ = (int) sigaction.invokeExact(signal, action, old);
      } catch (Throwable t) {
        throw new LinkageError("sigaction", t);
      }
    }

    /** Whether a handler is code of the JVM's. */
    @SuppressWarnings("restricted")
    boolean isJvms(long handler) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment info = arena.allocate(INFO_BYTES, 8);
        boolean known =
            (int) dladdr.invokeExact(MemorySegment.ofAddress(handler), info) != 0
                && !info.get(ADDRESS, 0).equals(MemorySegment.NULL);
        return known
            && info.get(ADDRESS, 0)
                .reinterpret(Long.MAX_VALUE)
                .getString(0)
                .replaceFirst(".*/", "")
                .startsWith("libjvm.");
      } catch (Throwable t) {
        throw new LinkageError("dladdr", t);
      }
    }
  }
}
