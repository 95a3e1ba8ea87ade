package dev.yuzui.server.answer;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.ParsedRequest;
import java.util.List;

/**
 * A request that is answered.
 *
 * @param answers by their choice
 */
public record Answered(ParsedRequest request, List<Answer> answers) {
  public long promptTokens() {
    return request.promptTokens();
  }

  public long generatedTokens() {
    return answers.stream().mapToLong(a -> a.result().tokens().size()).sum();
  }

  public long reasoningTokens() {
    return answers.stream().mapToLong(Answer::reasoningTokens).sum();
  }

  /** Tokens of the prompts that were found in the cache. */
  public long cachedTokens() {
    return answers.stream()
        .filter(a -> a.choice() % request.answers() == 0)
        .mapToLong(a -> a.result().timings().cachedTokens())
        .sum();
  }

  /** As the OpenAI interface has it. */
  public ObjectNode usage() {
    ObjectNode usage =
        JsonNodeFactory.instance
            .objectNode()
            .put("prompt_tokens", promptTokens())
            .put("completion_tokens", generatedTokens())
            .put("total_tokens", promptTokens() + generatedTokens());
    usage.putObject("prompt_tokens_details").put("cached_tokens", cachedTokens());
    usage.putObject("completion_tokens_details").put("reasoning_tokens", reasoningTokens());
    return usage;
  }

  /** As llama.cpp's server has them; of the first answer. */
  public ObjectNode timings() {
    GenerationResult.Timings t = answers.getFirst().result().timings();
    return JsonNodeFactory.instance
        .objectNode()
        .put("cache_n", t.cachedTokens())
        .put("prompt_n", t.promptTokens())
        .put("prompt_ms", t.promptSeconds() * 1e3)
        .put("prompt_per_second", t.promptPerSecond())
        .put("predicted_n", answers.getFirst().result().tokens().size())
        .put("predicted_ms", t.predictedSeconds() * 1e3)
        .put("predicted_per_second", t.predictedPerSecond());
  }
}
