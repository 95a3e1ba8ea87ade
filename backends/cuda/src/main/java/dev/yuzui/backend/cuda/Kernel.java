package dev.yuzui.backend.cuda;

import java.util.Optional;

/** A kernel of one device. */
final class Kernel {
  /** Dynamic shared memory that every kernel may ask for unasked. */
  private static final int SHARED = 48 << 10;

  private final Cu cu;
  private final Address.Function function;
  private final String name;
  private final Optional<String> letters;
  private int shared = SHARED;

  /**
   * @param letters of the parameters, see {@link KernelManifest.Entry}; empty where nobody knows
   */
  Kernel(Cu cu, Address.Function function, String name, Optional<String> letters) {
    this.cu = cu;
    this.function = function;
    this.name = name;
    this.letters = letters;
  }

  String name() {
    return name;
  }

  /** The function, once {@code bytes} of dynamic shared memory are allowed. */
  synchronized Address.Function function(int bytes) {
    if (bytes > shared) {
      cu.allowShared(function, bytes, name);
      shared = bytes;
    }
    return function;
  }

  /**
   * @throws IllegalArgumentException if the kernel takes other parameters
   */
  void check(String given) {
    if (letters.isPresent() && !letters.get().equals(given)) {
      throw new IllegalArgumentException(
          "kernel " + name + " takes parameters " + letters.get() + ", given " + given);
    }
  }
}
