package dev.yuzui.text;

/** Whether a model calls tools. */
public sealed interface ToolChoice {
  /** As it likes. */
  record Auto() implements ToolChoice {}

  /** It does not. */
  record None() implements ToolChoice {}

  /** It calls one at least. */
  record Required() implements ToolChoice {}

  /** It calls this one. */
  record Named(String name) implements ToolChoice {}
}
