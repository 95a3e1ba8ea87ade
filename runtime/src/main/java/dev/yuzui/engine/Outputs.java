package dev.yuzui.engine;

/** Which rows of a chunk's logits are wanted. */
enum Outputs {
  NONE,
  LAST,
  ALL;

  /** Of a chunk of {@code tokens} tokens. */
  int count(int tokens) {
    return switch (this) {
      case NONE -> 0;
      case LAST -> 1;
      case ALL -> tokens;
    };
  }
}
