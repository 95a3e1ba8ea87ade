package dev.yuzui.model;

/** Where a {@link Tap} sees a tensor; a row per token of the step, in order of computation. */
public enum Point {
  /** The residual stream before the first layer, [T, H]. */
  EMBEDDING,
  /** What the MTP layer's block starts from, [T, H]. */
  MTP_INPUT,
  /** [T, H] */
  ATTN_NORM,
  /** Queries before they are normalised and rotated, [T, N·(P+R)] or [T, N·D]. */
  QUERY,
  /** Latent and key before they are normalised and rotated, [T, Lkv+R]. */
  LATENT,
  /** Of grouped-query attention before they are normalised and rotated, [T, G·D]. */
  KEY,
  /** [T, G·D] */
  VALUE,
  /** The indexer's queries before they rotate, [T, Hi·I]. */
  INDEX_QUERY,
  /** Its keys before they are normalised, [T, I]. */
  INDEX_KEY,
  /** [T, Hi] */
  INDEX_WEIGHTS,
  /** What sparse attention looks at, I32 [T, K]: positions in order, −1 behind the last. */
  CHOSEN_ENTRIES,
  /** What the heads looked up, [T, N·V]. */
  HEADS,
  /** What attention adds to the stream, [T, H]. */
  ATTENTION,
  /** [T, H] */
  FFN_NORM,
  /** I32 [T, K] */
  EXPERT_IDS,
  /** [T, K] */
  EXPERT_WEIGHTS,
  /** What the shared expert gives, [T, H]. */
  SHARED,
  /** What the layer's FFN, or its shared and routed experts, add to the stream, [T, H]. */
  FEED_FORWARD,
  /** The state after the final norm, [T, H]. */
  FINAL_NORM,
  /** [M, vocab] */
  LOGITS
}
