package dev.yuzui.engine.step;

/** Which rows of a chunk's logits are wanted. */
public enum Outputs {
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
