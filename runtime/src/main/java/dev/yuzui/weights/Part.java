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
  /**
   * the mix of M streams before the final norm, of hyper-connections: [M, M·H], stream by stream
   */
  HC_HEAD_FN,
  /** [1, M] */
  HC_HEAD_BASE,
  /** [1, 1] */
  HC_HEAD_SCALE,

  /** the mix of M streams around attention: [(2+M)·M, M·H], rows for input, output, streams */
  HC_ATTN_FN,
  /** [1, (2+M)·M] */
  HC_ATTN_BASE,
  /** [1, 3], for input, output, streams */
  HC_ATTN_SCALE,
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

  /** the indexer of V3.2 and V4, of its queries: [Hi·I, Lq] */
  INDEX_Q,
  /** [I, H] */
  INDEX_K,
  /** [1, I], of a norm that takes the mean out */
  INDEX_K_NORM,
  /** [1, I] */
  INDEX_K_BIAS,
  /** [Hi, H] */
  INDEX_WEIGHTS,

  /** compressed attention: [D, H]; what comes out is key and value */
  KV,
  /** [1, D] */
  KV_NORM,
  /** [1, N], what stands beside the scores of each head and has no value */
  ATTN_SINKS,
  /** [G·R, N/G·D]: rows of a group under each other */
  ATTN_OUT_A,
  /** [H, G·R] */
  ATTN_OUT_B,
  /** what rows of several tokens are pooled from: [c·D, H], c = 2 where rows overlap, else 1 */
  COMPRESS_KV,
  /** [c·D, H], of the weights of pooling */
  COMPRESS_GATE,
  /** [ratio, c·D], added to the weights by a token's place in its block */
  COMPRESS_APE,
  /** [1, D] */
  COMPRESS_NORM,
  /** the same for the indexer's keys: [c·I, H] */
  INDEX_COMPRESS_KV,
  /** [c·I, H] */
  INDEX_COMPRESS_GATE,
  /** [ratio, c·I] */
  INDEX_COMPRESS_APE,
  /** [1, I] */
  INDEX_COMPRESS_NORM,

  /** as {@link #HC_ATTN_FN}, around the feed-forward network */
  HC_FFN_FN,
  /** [1, (2+M)·M] */
  HC_FFN_BASE,
  /** [1, 3] */
  HC_FFN_SCALE,
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
  /** experts of each token, I32 [vocab, K], in place of a selection */
  ROUTER_TABLE,
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
  /** [H, H], the columns of {@link #MTP_PROJ} for the embedding, where states are M streams */
  MTP_PROJ_EMBED,
  /** [H, H], those for each stream of the state */
  MTP_PROJ_HIDDEN,
  /** [1, H] */
  MTP_ENORM,
  /** [1, H] */
  MTP_HNORM,
  /** [1, H]; the main model's final norm when absent */
  MTP_NORM,
  /** as {@link #HC_HEAD_FN}, before {@link #MTP_NORM} */
  MTP_HC_FN,
  /** [1, M] */
  MTP_HC_BASE,
  /** [1, 1] */
  MTP_HC_SCALE,
  /** [vocab, H]; the main model's when absent */
  MTP_EMBED,
  /** [vocab, H]; the main model's when absent */
  MTP_HEAD
}
