package dev.yuzui.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.Locale;

/**
 * How requests fared that arrived at random, in the field names of vLLM's {@code bench serve}.
 *
 * @param requestRate arrivals a second, as asked for
 * @param nPrompt tokens of each prompt
 * @param nSharedPrefix of these, the same in all prompts
 * @param nGen tokens made for each
 * @param duration seconds from the first arrival to the last token
 * @param totalInputTokens of all prompts, found in the cache or read
 * @param requestThroughput answers a second; below the rate where the device cannot keep up
 * @param ttft from a request's arrival to its first token
 * @param itl between a request's tokens; those that one step made together are 0 apart
 * @param e2el from a request's arrival to its last token
 * @param prefixQueries prompt tokens looked up in the cache, again where a sequence had to give way
 * @param prefixHits of these, found
 * @param preemptions sequences that gave way to older ones
 * @param drafts steps that checked guesses
 * @param hostMicros of the engine's thread in a step, on average, but for waiting for devices
 * @param ratio of the first backend's mean answer time over this one's, 0 where only one is
 *     measured
 */
record RateRow(
    @JsonUnwrapped BenchSetup setup,
    int maxNumSeqs,
    double requestRate,
    int numPrompts,
    int nPrompt,
    int nSharedPrefix,
    int nGen,
    String testTime,
    double duration,
    long totalInputTokens,
    long totalOutputTokens,
    double requestThroughput,
    double inputThroughput,
    double outputThroughput,
    @JsonUnwrapped(suffix = "_ttft_ms") Latencies ttft,
    @JsonUnwrapped(suffix = "_itl_ms") Latencies itl,
    @JsonUnwrapped(suffix = "_e2el_ms") Latencies e2el,
    long prefixQueries,
    long prefixHits,
    double prefixHitRate,
    long preemptions,
    long drafts,
    long draftTokens,
    long acceptedTokens,
    double acceptanceRate,
    long steps,
    double hostMicros,
    double ratio)
    implements Benchmark.Row {

  /** {@code 50 x pp512+tg128}, {@code 50 x pp512(256 shared)+tg128}. */
  String test() {
    String shared = nSharedPrefix > 0 ? "(" + nSharedPrefix + " shared)" : "";
    return numPrompts + " x pp" + nPrompt + shared + "+tg" + nGen;
  }

  @Override
  public double merit() {
    return 1 / e2el.mean();
  }

  @Override
  public RateRow withRatio(double ratio) {
    return new RateRow(
        setup,
        maxNumSeqs,
        requestRate,
        numPrompts,
        nPrompt,
        nSharedPrefix,
        nGen,
        testTime,
        duration,
        totalInputTokens,
        totalOutputTokens,
        requestThroughput,
        inputThroughput,
        outputThroughput,
        ttft,
        itl,
        e2el,
        prefixQueries,
        prefixHits,
        prefixHitRate,
        preemptions,
        drafts,
        draftTokens,
        acceptedTokens,
        acceptanceRate,
        steps,
        hostMicros,
        ratio);
  }

  @Override
  public String markdown() {
    return String.format(
        Locale.ROOT,
        "%s %d | %s | %s | %.2f | %.1f | %.1f | %s | %s | %.2f, %.2f | %.1f %% | %d | %s |",
        setup.markdown(),
        maxNumSeqs,
        test(),
        requestRate,
        requestThroughput,
        inputThroughput,
        outputThroughput,
        ttft.markdown(),
        itl.markdown(),
        e2el.p50(),
        e2el.p99(),
        100 * prefixHitRate,
        preemptions,
        drafts == 0 ? "" : String.format(Locale.ROOT, "%.1f %%", 100 * acceptanceRate));
  }
}
