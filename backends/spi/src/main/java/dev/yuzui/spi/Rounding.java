package dev.yuzui.spi;

/**
 * What DeepSeek-V4 was trained to do to rows before they are kept, in blocks that share a scale.
 */
public enum Rounding {
  NONE,
  /** E4M3 in blocks of 64 with a power of two each, of all elements but those that rotate. */
  E4M3,
  /** Multiplied by a Hadamard matrix / √n, then E2M1 in blocks of 32 with a power of two each. */
  E2M1
}
