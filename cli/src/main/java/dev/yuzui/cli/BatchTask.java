package dev.yuzui.cli;

import dev.yuzui.engine.GenerateRequest;
import java.util.List;

/**
 * A line's requests.
 *
 * @param choices one for each prompt and each of {@code n}, in the order they are answered
 */
record BatchTask(Kind kind, List<Choice> choices) {
  enum Kind {
    CHAT,
    COMPLETION,
    PLAIN
  }

  /**
   * @param rendered the prompt's text; empty where it came as token ids
   * @param first of its prompt: the one whose tokens are counted
   */
  record Choice(GenerateRequest request, String rendered, boolean first) {}
}
