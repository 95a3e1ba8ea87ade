package dev.yuzui.engine.api;

/** Why a generation ended. */
public enum FinishReason {
  /** An end token or a stop text. */
  STOP,
  /** The token limit or the context length. */
  LENGTH,
  CANCELLED,
  /** The request's own time limit. */
  TIMEOUT
}
