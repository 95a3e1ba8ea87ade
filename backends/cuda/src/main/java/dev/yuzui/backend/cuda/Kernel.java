package dev.yuzui.backend.cuda;

import java.util.Optional;

/** A kernel of one device. */
final class Kernel {
  private final Address.Function function;
  private final String name;
  private final Optional<String> letters;
  private final int shared;

  /**
   * Allows it all the shared memory that a block of the device can have, once: a launch takes what
   * it asks for, and nothing is asked of the driver while a step is recorded.
   *
   * @param letters of the parameters, see {@link KernelManifest.Entry}; empty where nobody knows
   */
  Kernel(Cu cu, Address.Function function, String name, Optional<String> letters) {
    this.function = function;
    this.name = name;
    this.letters = letters;
    this.shared = cu.device().sharedBytes() - cu.staticShared(function, name);
    cu.allowShared(function, shared, name);
  }

  String name() {
    return name;
  }

  Address.Function function() {
    return function;
  }

  /**
   * @param given letters of the parameters
   * @param bytes of dynamic shared memory
   * @throws IllegalArgumentException if the kernel takes other parameters, or a block of this
   *     device has less memory
   */
  void check(String given, int bytes) {
    if (letters.isPresent() && !letters.get().equals(given)) {
      throw new IllegalArgumentException(
          "kernel " + name + " takes parameters " + letters.get() + ", given " + given);
    }
    if (bytes > shared) {
      throw new IllegalArgumentException(
          "kernel %s asks for %,d bytes of shared memory, a block of this device has %,d for it"
              .formatted(name, bytes, shared));
    }
  }
}
