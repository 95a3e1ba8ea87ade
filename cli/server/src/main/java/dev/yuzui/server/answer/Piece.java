package dev.yuzui.server.answer;

import dev.yuzui.engine.api.TokenLogprobs;
import java.util.Optional;

/**
 * A token of an answer.
 *
 * @param text that became certain with it, may be empty
 */
public record Piece(int token, String text, Optional<TokenLogprobs> logprobs) {}
