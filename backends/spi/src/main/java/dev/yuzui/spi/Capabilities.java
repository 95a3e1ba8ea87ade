package dev.yuzui.spi;

import java.util.Set;

/**
 * What a backend can do, as data. What it lacks is said here; tests never swallow it.
 *
 * @param weights encodings multiplied as they are; others are converted on upload
 * @param caches encodings of the KV cache
 * @param exactTokens steps up to this many tokens get a recording of their own size
 * @param tokenBucket larger steps are padded up to a multiple of this
 * @param maxTokens tokens of one step at most
 * @param recording replays a recorded step without the host touching each op
 * @param peerCopy {@link Backend#receive} copies from another backend of this kind on some device
 */
public record Capabilities(
    Set<Encoding> weights,
    Set<Encoding> caches,
    int exactTokens,
    int tokenBucket,
    int maxTokens,
    boolean recording,
    boolean peerCopy) {

  /** Rows of the step that {@code tokens} tokens run in. */
  public int bucket(int tokens) {
    return tokens <= exactTokens
        ? tokens
        : Math.min(maxTokens, Math.ceilDiv(tokens, tokenBucket) * tokenBucket);
  }
}
