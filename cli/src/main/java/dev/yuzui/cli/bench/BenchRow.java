package dev.yuzui.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.List;
import java.util.Locale;

/**
 * One measured test, in llama-bench's field names.
 *
 * @param nDepth tokens in the cache before the clock starts
 * @param depthAssumed those were not read: their entries are random numbers
 * @param nParallel sequences that make text together; rates count the tokens of all
 * @param avgTs tokens per second, mean over the repetitions
 * @param stddevTs sample standard deviation of that
 * @param speedUp over the same test of one sequence, 0 if none was measured before
 * @param ratio of avgTs over the first backend's, 0 where only one is measured
 * @param promptFlop operations that reading the prompt takes at least, 0 without a prompt
 * @param bytesPerStep what a step that makes a token for each sequence reads at least, zeros if no
 *     text is made
 */
record BenchRow(
    @JsonUnwrapped BenchSetup setup,
    int nPrompt,
    int nGen,
    int nDepth,
    boolean depthAssumed,
    int nParallel,
    String testTime,
    double avgNs,
    double stddevNs,
    double avgTs,
    double stddevTs,
    List<Long> samplesNs,
    List<Double> samplesTs,
    double speedUp,
    double ratio,
    double promptFlop,
    BytesPerStep bytesPerStep)
    implements Benchmark.Row {

  /**
   * @param experts of the routed experts that the step's tokens went to
   * @param cache entries that attention looks at, half way through the test
   * @param expertsTouched of a layer with experts, the mean over layers and counted steps
   */
  record BytesPerStep(
      long dense,
      long shared,
      long experts,
      long head,
      long cache,
      long total,
      double expertsTouched) {
    static final BytesPerStep NONE = new BytesPerStep(0, 0, 0, 0, 0, 0, 0);
  }

  /** {@code pp512}, {@code tg128 x8 @ d4096}, {@code pp512+tg128}. */
  String test() {
    String prompt = nPrompt > 0 ? "pp" + nPrompt : "";
    String gen = nGen > 0 ? "tg" + nGen : "";
    return prompt
        + (prompt.isEmpty() || gen.isEmpty() ? "" : "+")
        + gen
        + (nParallel > 1 ? " x" + nParallel : "")
        + (nDepth > 0 ? " @ d" + nDepth : "");
  }

  @Override
  public String markdown() {
    return String.format(
            Locale.ROOT, "%s %s | %.2f ± %.2f", setup.markdown(), test(), avgTs, stddevTs)
        + (speedUp > 0 ? String.format(Locale.ROOT, ", %.2f × one |", speedUp) : " |");
  }

  @Override
  public double merit() {
    return avgTs;
  }

  @Override
  public BenchRow withRatio(double ratio) {
    return new BenchRow(
        setup,
        nPrompt,
        nGen,
        nDepth,
        depthAssumed,
        nParallel,
        testTime,
        avgNs,
        stddevNs,
        avgTs,
        stddevTs,
        samplesNs,
        samplesTs,
        speedUp,
        ratio,
        promptFlop,
        bytesPerStep);
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
