package dev.yuzui.server.answer;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.GenerationResult;
import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.ToDoubleFunction;

/**
 * What is counted of requests, under vLLM's names and in Prometheus' text format. Times begin at 5
 * ms, which is what a step of a small model takes.
 */
public final class ServerMetrics {
  private static final double[] SECONDS = {
    0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 5,
    7.5, 10, 20, 40, 80, 160, 640, 2560
  };
  private static final double[] TOKENS = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5
  };
  public static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;

  private final PrometheusRegistry registry = new PrometheusRegistry();
  private final PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
  private final Engine engine;
  private final String model;
  private final Histogram firstToken;
  private final Histogram interToken;
  private final Histogram endToEnd;
  private final Histogram queue;
  private final Histogram prefill;
  private final Histogram decode;
  private final Histogram promptTokens;
  private final Histogram generationTokens;
  private final Counter finished;
  private final Counter failed;
  private final Counter toolCalls;

  ServerMetrics(Engine engine, String model) {
    this.engine = engine;
    this.model = model;
    gauge("num_requests_running", "Sequences in steps", EngineMetrics::requestsRunning);
    gauge("num_requests_waiting", "Requests without a sequence", EngineMetrics::requestsWaiting);
    gauge("kv_cache_usage_perc", "Share of the cache's pages in use", EngineMetrics::cacheUsage);
    counter("prompt_tokens", "Prompt tokens read", EngineMetrics::promptTokens);
    counter("generation_tokens", "Tokens sampled", EngineMetrics::generationTokens);
    counter("num_preemptions", "Sequences that gave way", EngineMetrics::preemptions);
    counter("prefix_cache_queries", "Prompt tokens looked up", EngineMetrics::prefixQueries);
    counter("prefix_cache_hits", "Prompt tokens found", EngineMetrics::prefixHits);
    counter("spec_decode_num_drafts", "Times drafts were checked", EngineMetrics::drafts);
    counter("spec_decode_num_draft_tokens", "Drafts checked", EngineMetrics::draftTokens);
    counter("spec_decode_num_accepted_tokens", "Drafts right", EngineMetrics::acceptedTokens);
    firstToken =
        histogram("time_to_first_token_seconds", "From a request to its first token", SECONDS);
    interToken = histogram("inter_token_latency_seconds", "From a token to the next", SECONDS);
    endToEnd = histogram("e2e_request_latency_seconds", "From a request to its end", SECONDS);
    queue = histogram("request_queue_time_seconds", "From a request to its first step", SECONDS);
    prefill =
        histogram(
            "request_prefill_time_seconds", "From the first step to the first token", SECONDS);
    decode = histogram("request_decode_time_seconds", "From the first token to the last", SECONDS);
    promptTokens = histogram("request_prompt_tokens", "Tokens of a prompt", TOKENS);
    generationTokens = histogram("request_generation_tokens", "Tokens of an answer", TOKENS);
    finished = counted("vllm:request_success", "Answers that ended", "finished_reason");
    failed = counted("yuzui:request_failure", "Requests that failed, by their code", "code");
    toolCalls = counted("yuzui:tool_calls", "Calls of tools, whole (valid) or cut off", "valid");
    GaugeWithCallback.builder()
        .name("vllm:cache_config_info")
        .help("How the cache is laid out")
        .labelNames("model_name", "block_size", "num_gpu_blocks", "cache_dtype")
        .callback(
            callback ->
                callback.call(
                    1,
                    model,
                    Integer.toString(engine.options().cache().pageTokens()),
                    Integer.toString(engine.memoryPlan().cachePages()),
                    engine.options().cache().encoding().label()))
        .register(registry);
  }

  private void gauge(String name, String help, ToDoubleFunction<EngineMetrics> value) {
    GaugeWithCallback.builder()
        .name("vllm:" + name)
        .help(help)
        .labelNames("model_name")
        .callback(callback -> callback.call(value.applyAsDouble(engine.metrics()), model))
        .register(registry);
  }

  private void counter(String name, String help, ToDoubleFunction<EngineMetrics> value) {
    CounterWithCallback.builder()
        .name("vllm:" + name)
        .help(help)
        .labelNames("model_name")
        .callback(callback -> callback.call(value.applyAsDouble(engine.metrics()), model))
        .register(registry);
  }

  private Histogram histogram(String name, String help, double[] bounds) {
    return Histogram.builder()
        .name("vllm:" + name)
        .help(help)
        .labelNames("model_name")
        .classicOnly()
        .classicUpperBounds(bounds)
        .register(registry);
  }

  private Counter counted(String name, String help, String label) {
    return Counter.builder()
        .name(name)
        .help(help)
        .labelNames("model_name", label)
        .register(registry);
  }

  void firstToken(double seconds) {
    firstToken.labelValues(model).observe(seconds);
  }

  void interToken(double seconds) {
    interToken.labelValues(model).observe(seconds);
  }

  void done(Answer answer, double seconds) {
    GenerationResult result = answer.result();
    GenerationResult.Timings t = result.timings();
    endToEnd.labelValues(model).observe(seconds);
    queue.labelValues(model).observe(t.queueSeconds());
    prefill.labelValues(model).observe(t.promptSeconds());
    decode.labelValues(model).observe(t.predictedSeconds());
    promptTokens.labelValues(model).observe(answer.asked().request().prompt().size());
    generationTokens.labelValues(model).observe(result.tokens().size());
    finished.labelValues(model, answer.finish()).inc();
    answer
        .message()
        .calls()
        .forEach(call -> toolCalls.labelValues(model, Boolean.toString(call.whole())).inc());
  }

  void failed(String code) {
    failed.labelValues(model, code).inc();
  }

  /** All of it. */
  public byte[] text() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      writer.write(out, registry.scrape(), EscapingScheme.ALLOW_UTF8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }
}
