package dev.yuzui.engine.api;

/**
 * Called on the engine's thread, between steps: what it takes is time that no sequence moves on in,
 * and it must not wait for a generation. One that throws fails its own request.
 */
public interface GenerationListener {
  /** More of the prompt has been read. */
  default void prompt(int done, int total) {}

  /** What is known of the next {@link #token}, if the request asks for probabilities. */
  default void logprobs(TokenLogprobs token) {}

  /**
   * A token was sampled; end tokens are told too.
   *
   * @param text that became certain with it: whole characters, never part of a stop text; may be
   *     empty
   */
  void token(int id, String text);
}
