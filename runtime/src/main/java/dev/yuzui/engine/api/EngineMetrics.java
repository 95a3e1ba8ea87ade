package dev.yuzui.engine.api;

/**
 * Counters of an engine since it was opened, as of its last step. In parentheses what vLLM calls
 * them, after {@code vllm:}.
 *
 * @param requestsRunning sequences that take part in steps (num_requests_running)
 * @param requestsWaiting requests without a sequence (num_requests_waiting)
 * @param cacheUsage share of the cache's pages in use (kv_cache_usage_perc)
 * @param promptTokens read by the model (prompt_tokens_total)
 * @param generationTokens sampled (generation_tokens_total)
 * @param preemptions sequences that gave way to older ones (num_preemptions_total)
 * @param prefixQueries prompt tokens that were looked up in the cache (prefix_cache_queries)
 * @param prefixHits of these, found (prefix_cache_hits)
 * @param drafts times that guesses were checked (spec_decode_num_drafts)
 * @param draftTokens guesses checked (spec_decode_num_draft_tokens)
 * @param acceptedTokens of these, right (spec_decode_num_accepted_tokens)
 * @param steps in which sequences took part
 * @param hostNanos of the engine's thread in these steps but for waiting for devices: choosing who
 *     appends what, writing it down, drawing tokens, telling listeners
 */
public record EngineMetrics(
    int requestsRunning,
    int requestsWaiting,
    double cacheUsage,
    long promptTokens,
    long generationTokens,
    long preemptions,
    long prefixQueries,
    long prefixHits,
    long drafts,
    long draftTokens,
    long acceptedTokens,
    long steps,
    long hostNanos) {
  public static final EngineMetrics NONE = new EngineMetrics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}
