package dev.yuzui.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/**
 * The launcher starts the JVM with stderr closed off and a copy of it under another number, because
 * the JVM warns about the Vector API's incubator module there and has no flag against it.
 */
final class StandardError {
  private static final int STDERR = 2;

  private StandardError() {}

  /** dup2: makes file descriptor 2 the one that {@code copy} stands for. */
  static void takeBack(int copy) {
    Linker linker = Linker.nativeLinker();
    MethodHandle dup2 =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("dup2"),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    try {
      int _ = (int) dup2.invokeExact(copy, STDERR);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
