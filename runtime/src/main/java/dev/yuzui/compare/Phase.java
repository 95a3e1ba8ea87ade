package dev.yuzui.compare;

/** What a step is for: backends have other kernels for many tokens than for one. */
public enum Phase {
  /** Steps of many tokens. */
  PROMPT,
  /** Steps of one token. */
  DECODE
}
