package dev.yuzui.server.answer;

import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.text.OutputMessage;

/**
 * One answer that is done.
 *
 * @param choice counts the answers to the first prompt, then those to the next
 * @param reasoningTokens tokens that were thought
 */
public record Answer(
    int choice,
    ParsedRequest.Prompt asked,
    OutputMessage message,
    GenerationResult result,
    int reasoningTokens) {

  /** Why it ended, as the OpenAI interface names it. */
  public String finish() {
    return AnswerFields.finish(message, result);
  }

  /** Whether it had more to say. */
  public boolean cut() {
    return result.finish() == FinishReason.LENGTH;
  }

  public boolean callsTools() {
    return finish().equals("tool_calls");
  }
}
