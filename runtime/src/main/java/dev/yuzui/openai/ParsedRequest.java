package dev.yuzui.openai;

import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.text.Tool;
import java.util.List;
import java.util.Optional;

/**
 * What a request asks of the engine.
 *
 * @param prompts in the order they are answered
 * @param answers made to each
 */
public record ParsedRequest(Kind kind, List<Prompt> prompts, int answers) {
  public enum Kind {
    CHAT,
    COMPLETION,
    PLAIN
  }

  /**
   * @param text as rendered; absent where the prompt came as token ids
   * @param tools that the answer may call
   * @param calls that the conversation has already
   */
  public record Prompt(
      GenerateRequest request, Optional<dev.yuzui.text.Prompt> text, List<Tool> tools, int calls) {}

  public int choices() {
    return prompts.size() * answers;
  }

  public long promptTokens() {
    return prompts.stream().mapToLong(p -> p.request().prompt().size()).sum();
  }
}
