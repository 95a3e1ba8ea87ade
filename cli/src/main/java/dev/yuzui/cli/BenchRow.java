package dev.yuzui.cli;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * One measured test, in llama-bench's field names.
 *
 * @param build version of this program
 * @param nDepth tokens in the cache before the clock starts
 * @param modelSize bytes of all tensors
 * @param avgTs tokens per second, mean over the repetitions
 * @param stddevTs sample standard deviation of that
 */
record BenchRow(
    String build,
    String cpuInfo,
    String backend,
    String backendInfo,
    String modelFilename,
    String modelType,
    long modelSize,
    @JsonProperty("model_n_params") long modelNParams,
    int nBatch,
    int nThreads,
    String typeKv,
    int nPrompt,
    int nGen,
    int nDepth,
    String testTime,
    double avgNs,
    double stddevNs,
    double avgTs,
    double stddevTs,
    List<Long> samplesNs,
    List<Double> samplesTs) {

  /** {@code pp512}, {@code tg128 @ d4096}, {@code pp512+tg128}. */
  String test() {
    String prompt = nPrompt > 0 ? "pp" + nPrompt : "";
    String gen = nGen > 0 ? "tg" + nGen : "";
    return prompt
        + (prompt.isEmpty() || gen.isEmpty() ? "" : "+")
        + gen
        + (nDepth > 0 ? " @ d" + nDepth : "");
  }

  static double mean(List<? extends Number> samples) {
    return samples.stream().mapToDouble(Number::doubleValue).average().orElse(0);
  }

  /** Of a sample: n − 1 below. */
  static double stddev(List<? extends Number> samples) {
    double mean = mean(samples);
    double squares =
        samples.stream()
            .mapToDouble(x -> (x.doubleValue() - mean) * (x.doubleValue() - mean))
            .sum();
    return samples.size() > 1 ? Math.sqrt(squares / (samples.size() - 1)) : 0;
  }
}
