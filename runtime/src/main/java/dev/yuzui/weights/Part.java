package dev.yuzui.weights;

/**
 * The tensors of the architecture by their role; {@code TensorNames} has each format's name for
 * them. Shapes are [rows, cols] with the input dimension as columns.
 */
public enum Part {
  /** [vocab, H] */
  EMBED,
  /** [1, H] */
  FINAL_NORM,
  /** [vocab, H]; the embedding when tied */
  HEAD,

  /** [1, H] */
  ATTN_NORM,
  /** [N·(P+R), H], or with grouped-query attention [N·D, H]; absent where qLoraRank is not 0 */
  Q,
  /** [Lq, H] */
  Q_A,
  /** [1, Lq] */
  Q_A_NORM,
  /** [N·(P+R), Lq] */
  Q_B,
  /** [Lkv+R, H] */
  KV_A,
  /** [1, Lkv] */
  KV_A_NORM,
  /** W_UK as the absorbed form wants it, [N·Lkv, P]: row n·Lkv + l holds W_UK[n, ·, l] */
  KEY_UP,
  /** W_UV, [N·V, Lkv] */
  VALUE_UP,
  /** [H, N·V] */
  ATTN_OUT,

  /** grouped-query attention: [G·D, H] */
  K,
  /** [G·D, H] */
  V,
  /** [1, N·D]; absent in most models, as the three below */
  Q_BIAS,
  /** [1, G·D] */
  K_BIAS,
  /** [1, G·D] */
  V_BIAS,
  /** [1, H] */
  ATTN_OUT_BIAS,
  /** [1, D], of every head's query */
  Q_NORM,
  /** [1, D], of every head's key */
  K_NORM,

  /** DeepSeek-V3.2's indexer, of its queries: [Hi·I, Lq] */
  INDEX_Q,
  /** [I, H] */
  INDEX_K,
  /** [1, I], of a norm that takes the mean out */
  INDEX_K_NORM,
  /** [1, I] */
  INDEX_K_BIAS,
  /** [Hi, H] */
  INDEX_WEIGHTS,

  /** [1, H] */
  FFN_NORM,
  /** [dense, H] */
  FFN_GATE,
  /** [dense, H] */
  FFN_UP,
  /** [H, dense] */
  FFN_DOWN,

  /** router, [E, H] */
  ROUTER,
  /** selection bias, [1, E]; absent in softmax models */
  ROUTER_BIAS,
  /** [F, H] of each expert */
  EXPERT_GATE,
  /** [F, H] of each expert */
  EXPERT_UP,
  /** [H, F] of each expert */
  EXPERT_DOWN,
  /** [F·shared, H] */
  SHARED_GATE,
  /** [F·shared, H] */
  SHARED_UP,
  /** [H, F·shared] */
  SHARED_DOWN,

  /** [H, 2H], input = [enorm(embedding); hnorm(hidden)] */
  MTP_PROJ,
  /** [1, H] */
  MTP_ENORM,
  /** [1, H] */
  MTP_HNORM,
  /** [1, H]; the main model's final norm when absent */
  MTP_NORM,
  /** [vocab, H]; the main model's when absent */
  MTP_EMBED,
  /** [vocab, H]; the main model's when absent */
  MTP_HEAD
}
