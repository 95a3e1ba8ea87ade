package dev.yuzui.cli.shell;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.lang.reflect.Field;

/**
 * The launcher starts the JVM with stdout and stderr under other numbers. Stderr, since the JVM
 * warns about the Vector API's incubator module there and has no flag against it; stdout, since the
 * JVM tells of a crash there and has no flag against that either.
 */
public final class StandardStreams {
  private static final int STDERR = 2;

  private StandardStreams() {}

  /** dup2: makes file descriptor 2 the one that {@code copy} stands for. */
  public static void takeBackStderr(int copy) {
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

  /**
   * What is written to the file descriptor of that number. Java opens none by number: the flag
   * {@code --add-opens=java.base/java.io=ALL-UNNAMED} lets us say it.
   */
  public static OutputStream numbered(int number) {
    try {
      FileDescriptor descriptor = new FileDescriptor();
      Field field = FileDescriptor.class.getDeclaredField("fd");
      field.setAccessible(true);
      field.setInt(descriptor, number);
      return new FileOutputStream(descriptor);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
