package dev.yuzui.bench;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;

/** The functions of limits.c, on the calling thread. */
final class Limits {
  private static final Linker LINKER = Linker.nativeLinker();

  private final SymbolLookup symbols = library();
  private final MethodHandle reserve = bind("limits_reserve", JAVA_LONG, JAVA_LONG);
  private final MethodHandle read = bind("limits_read", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private final MethodHandle int8 = bind("limits_int8", JAVA_LONG, JAVA_LONG);
  private final MethodHandle f32 = bind("limits_f32", JAVA_LONG, JAVA_LONG);

  @SuppressWarnings("restricted")
  private static SymbolLookup library() {
    URL library = Limits.class.getResource("liblimits.so");
    if (library == null) {
      throw new IllegalStateException(
          "liblimits.so was not built: it takes x86-64 Linux and a C compiler");
    }
    try {
      return SymbolLookup.libraryLookup(Path.of(library.toURI()), Arena.global());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @SuppressWarnings("restricted")
  private MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
    return LINKER.downcallHandle(
        symbols.findOrThrow(name), FunctionDescriptor.of(result, arguments));
  }

  /** Address of memory in huge pages, written once; it stays until the process ends. */
  long reserve(long bytes) {
    long address = call(() -> (long) reserve.invokeExact(bytes));
    if (address == 0) {
      throw new IllegalStateException("no memory of " + bytes + " bytes");
    }
    return address;
  }

  /** Reads memory once; a sum of it. */
  long read(long address, long bytes) {
    return call(() -> (long) read.invokeExact(address, bytes));
  }

  /** Multiplies and adds bytes; how many operations that were. */
  long int8(long rounds) {
    return call(() -> (long) int8.invokeExact(rounds));
  }

  /** As {@link #int8}, with F32. */
  long f32(long rounds) {
    return call(() -> (long) f32.invokeExact(rounds));
  }

  private interface Call {
    long run() throws Throwable;
  }

  private static long call(Call call) {
    try {
      return call.run();
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
