package dev.yuzui.engine;

import dev.yuzui.sampling.SamplingParams;
import java.util.List;

/**
 * @param prompt token ids, BOS included where the model wants one; not empty
 * @param maxTokens to generate at most; −1 means up to the context length
 * @param stop texts that end the generation; not part of the result
 * @param ignoreEos go on past the model's end tokens
 */
public record GenerateRequest(
    List<Integer> prompt,
    SamplingParams sampling,
    int maxTokens,
    List<String> stop,
    boolean ignoreEos) {

  public GenerateRequest {
    prompt = List.copyOf(prompt);
    stop = List.copyOf(stop);
    if (prompt.isEmpty()) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
  }
}
