package dev.yuzui.bench;

import dev.yuzui.spi.Encoding;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Measures the limits, the kernels, and the limits again, and prints a table in Markdown: of each
 * kernel what it read and computed a second, and what share that is of the limit it is nearest to.
 * Bytes are those of the checkpoint's formats; strips take a little more.
 */
public final class Roofline {
  private static final String[] PACKED = {
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_XS",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "IQ4_NL",
    "F16",
    "BF16",
    "FP8_E4M3"
  };

  private static final String[] FEW_BITS = {
    "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "TQ1_0", "TQ2_0", "Q2_K",
    "Q3_K", "Q1_0", "Q2_0", "MXFP4", "NVFP4"
  };

  /** Of those, what cpu:java puts into strips. */
  private static final String[] PACKED_IN_JAVA = {"Q4_K", "Q5_K", "Q6_K", "Q4_0", "Q5_0", "Q8_0"};

  private record Limit(double memory, double int8, double f32) {
    @Override
    public String toString() {
      return "memory %.1f GB/s, int8 %.0f and F32 %.0f GFLOP/s".formatted(memory, int8, f32);
    }

    Limit max(Limit other) {
      return new Limit(
          Math.max(memory, other.memory), Math.max(int8, other.int8), Math.max(f32, other.f32));
    }
  }

  private Roofline() {}

  public static void main(String[] args) throws RunnerException {
    Limit before = limits();
    List<RunResult> kernels = new ArrayList<>();
    kernels.addAll(matmul("cpu:0", "true", PACKED, "1", "512"));
    kernels.addAll(matmul("cpu:0", "true", FEW_BITS, "1", "512"));
    kernels.addAll(matmul("cpu:0", "true", new String[] {"Q4_K", "Q6_K"}, "8"));
    kernels.addAll(matmul("cpu:java", "true", PACKED_IN_JAVA, "1", "512"));
    kernels.addAll(matmul("cpu:java", "true", new String[] {"Q4_K", "Q6_K"}, "8"));
    kernels.addAll(matmul("cpu:java", "false", new String[] {"Q4_K", "Q8_0", "BF16"}, "1", "512"));
    kernels.addAll(
        run(options(AttentionBenchmark.class).param("context", "8192").param("heads", "16")));
    Limit after = limits();
    Limit limit = before.max(after);
    System.out.println();
    System.out.println("Limits: " + limit + "; before " + before + "; after " + after);
    System.out.println();
    System.out.println("| kernel | type | tokens | GB/s | GFLOP/s | limit | share |");
    System.out.println("|---|---|---|---|---|---|---|");
    kernels.forEach(result -> System.out.println(row(result, limit)));
  }

  private static Limit limits() throws RunnerException {
    double memory = 0;
    double int8 = 0;
    double f32 = 0;
    for (RunResult result : run(options(LimitsBenchmark.class))) {
      switch (result.getPrimaryResult().getLabel()) {
        case "memory" -> memory = best(result, "gigabytes");
        case "int8" -> int8 = best(result, "gigaflops");
        case "f32" -> f32 = best(result, "gigaflops");
        default -> throw new IllegalStateException(result.getPrimaryResult().getLabel());
      }
    }
    return new Limit(memory, int8, f32);
  }

  private static Collection<RunResult> matmul(
      String device, String repack, String[] encodings, String... tokens) throws RunnerException {
    return run(
        options(MatmulBenchmark.class)
            .param("device", device)
            .param("repack", repack)
            .param("encoding", encodings)
            .param("tokens", tokens));
  }

  /** Short, for the whole table is one run; a benchmark by itself takes longer. */
  private static ChainedOptionsBuilder options(Class<?> benchmark) {
    return new OptionsBuilder()
        .include("\\." + benchmark.getSimpleName() + "\\.")
        .warmupIterations(2)
        .warmupTime(TimeValue.milliseconds(400))
        .measurementIterations(5)
        .measurementTime(TimeValue.milliseconds(300))
        .verbosity(VerboseMode.SILENT);
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
    Collection<RunResult> results = new Runner(options.build()).run();
    results.forEach(r -> System.err.println(r.getParams().id()));
    return results;
  }

  private static String row(RunResult result, Limit limit) {
    var params = result.getParams();
    double bytes = rate(result, "gigabytes");
    double operations = rate(result, "gigaflops");
    boolean product = params.getParamsKeys().contains("encoding");
    boolean strips = product && params.getParam("repack").equals("true");
    boolean java = product && params.getParam("device").equals("cpu:java");
    String type = params.getParam(product ? "encoding" : "cache");
    boolean panels = java && params.getParam("tokens").equals("512"); // F32, as without repacking
    boolean blocks =
        strips && !panels && Encoding.byLabel(type).orElseThrow() instanceof Encoding.Block;
    double ofMemory = bytes / limit.memory;
    double ofArithmetic = operations / (blocks ? limit.int8 : limit.f32);
    return "| %s | %s | %s | %.1f | %.0f | %s | %.0f %% |"
        .formatted(
            product
                ? "matmul" + (java ? ", Java alone" : "") + (strips ? "" : " --no-repack")
                : "attention, 8192 entries, 16 heads",
            type,
            product ? params.getParam("tokens") : "1",
            bytes,
            operations,
            ofMemory > ofArithmetic ? "memory" : blocks ? "int8" : "F32",
            100 * Math.max(ofMemory, ofArithmetic));
  }

  private static double rate(RunResult result, String counter) {
    return counter(result, counter).getScore();
  }

  private static double best(RunResult result, String counter) {
    return counter(result, counter).getStatistics().getMax();
  }

  private static Result<?> counter(RunResult result, String counter) {
    return result.getSecondaryResults().get(counter);
  }
}
