package dev.yuzui.backend.cpu;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;

/**
 * Calls that the compiler cannot see through: handles held in fields that it does not take for
 * constants. Inlined into one caller, loops of vectors outgrow what C2 will inline of the Vector
 * API, and what it does not inline it boxes: a hundred times slower. Apart, each is compiled on its
 * own, and a call costs a few nanoseconds.
 */
final class Opaque {
  private Opaque() {}

  /** The one method of that name. */
  static MethodHandle method(Class<?> in, String name) {
    try {
      return MethodHandles.lookup()
          .unreflect(
              Arrays.stream(in.getDeclaredMethods())
                  .filter(m -> m.getName().equals(name))
                  .findFirst()
                  .orElseThrow(() -> new IllegalStateException(in + " has no method " + name)));
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(in + "." + name + " cannot be called", e);
    }
  }

  /** What a handle threw: kernels throw nothing checked. */
  static RuntimeException rethrow(Throwable t) {
    return switch (t) {
      case RuntimeException e -> e;
      case Error e -> throw e;
      default -> new IllegalStateException("a kernel threw a checked exception", t);
    };
  }
}
