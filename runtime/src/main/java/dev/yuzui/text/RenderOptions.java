package dev.yuzui.text;

import java.util.Map;
import java.util.Optional;

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
}
