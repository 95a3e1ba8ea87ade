package dev.yuzui.text;

import dev.yuzui.spi.RecordCopy;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * @param addGenerationPrompt end with what makes the model answer
 * @param thinking asks a template that can do both to think or not ({@code thinking} and {@code
 *     enable_thinking}); empty leaves it to the template
 * @param variables others the template may ask for, as JSON values: {@code tools}
 */
public record RenderOptions(
    boolean addGenerationPrompt, Optional<Boolean> thinking, Map<String, Object> variables) {
  /** The model is to answer; everything else as the template has it. */
  public static final RenderOptions ANSWER = new RenderOptions(true, Optional.empty(), Map.of());

  /** Two names for one switch: DeepSeek's, and that of most others. */
  private static final Set<String> THINKING = Set.of("thinking", "enable_thinking");

  /** What the conversation and the tokenizer give to every template. */
  private static final Set<String> RESERVED =
      Set.of("messages", "add_generation_prompt", "bos_token", "eos_token");

  public RenderOptions {
    variables = Collections.unmodifiableMap(new HashMap<>(variables)); // a value may be null
  }

  public RenderOptions withThinking(boolean thinks) {
    return RecordCopy.with(this, "thinking", Optional.of(thinks));
  }

  /** With these besides. */
  public RenderOptions withVariables(Map<String, Object> more) {
    Map<String, Object> all = new HashMap<>(variables);
    all.putAll(more);
    return RecordCopy.with(this, "variables", all);
  }

  /**
   * These, under what a request's {@code chat_template_kwargs} say, as vLLM and llama.cpp have
   * them: {@code thinking} and {@code enable_thinking} are the switch, all others variables.
   *
   * @throws IllegalArgumentException if one cannot be set, or the switch is neither true nor false
   */
  public RenderOptions withKwargs(Map<String, Object> kwargs) {
    Optional<Boolean> thinks = Optional.empty();
    Map<String, Object> all = new HashMap<>(variables);
    for (Map.Entry<String, Object> entry : kwargs.entrySet()) {
      if (RESERVED.contains(entry.getKey())) {
        throw new IllegalArgumentException(
            entry.getKey() + ": expected a variable of the template, found one that is set for it");
      }
      if (!THINKING.contains(entry.getKey())) {
        all.put(entry.getKey(), entry.getValue());
        continue;
      }
      if (!(entry.getValue() instanceof Boolean value)) {
        throw new IllegalArgumentException(
            entry.getKey() + ": expected true or false, found " + entry.getValue());
      }
      if (thinks.isPresent() && !thinks.get().equals(value)) {
        throw new IllegalArgumentException(
            "thinking, enable_thinking: expected the same value, for they are one switch, found"
                + " true and false");
      }
      thinks = Optional.of(value);
    }
    return new RenderOptions(addGenerationPrompt, thinks.or(() -> thinking), all);
  }
}
