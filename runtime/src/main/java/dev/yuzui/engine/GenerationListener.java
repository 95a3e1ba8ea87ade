package dev.yuzui.engine;

/** Called on the generating thread. */
public interface GenerationListener {
  /** More of the prompt has been read. */
  default void prompt(int done, int total) {}

  /**
   * A token was sampled.
   *
   * @param text that became certain with it: whole characters, never part of a stop text; may be
   *     empty
   */
  void token(int id, String text);

  /** Asked between steps; true ends the generation with {@link FinishReason#CANCELLED}. */
  default boolean cancelled() {
    return false;
  }
}
