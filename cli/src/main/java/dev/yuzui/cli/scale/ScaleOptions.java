package dev.yuzui.cli.scale;

import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.UsageException;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Option;

/** What a prediction assumes: by default an H800, and what DeepSeek published of its use. */
final class ScaleOptions {
  @Option(
      names = "--node-devices",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "8",
      description = "Devices of a node (default: ${DEFAULT-VALUE}).")
  private int nodeDevices;

  @Option(
      names = "--num-redundant-experts",
      paramLabel = "N",
      converter = Ranges.Count.class,
      defaultValue = "32",
      description = "Replicas of a layer's most used experts (default: ${DEFAULT-VALUE}).")
  private int redundant;

  @Option(
      names = "--imbalance",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      defaultValue = "1.1",
      description =
          "Tokens of the busiest device's experts over the mean, see 'yuzui experts' (default:"
              + " ${DEFAULT-VALUE}).")
  private double imbalance;

  @Option(
      names = "--batch",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "128",
      description =
          "Sequences of a device that decode together, or as many as fit (default:"
              + " ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--context",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "4989",
      description = "Tokens each of them has in the cache (default: ${DEFAULT-VALUE}).")
  private int contextTokens;

  @Option(
      names = "--prefill-tokens",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "16384",
      description = "Tokens of prompts in a device's step (default: ${DEFAULT-VALUE}).")
  private int prefillTokens;

  @Option(
      names = "--prompt",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "4096",
      description = "Tokens of a prompt (default: ${DEFAULT-VALUE}).")
  private int prompt;

  @Option(
      names = "--micro-batches",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "2",
      description = "Parts of a step, each of which reads the weights (default: ${DEFAULT-VALUE}).")
  private int microBatches;

  @Option(
      names = "--overlap",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      defaultValue = "1",
      description =
          "Share of the shorter of computation and exchange that hides behind the other, 0 to 1"
              + " (default: ${DEFAULT-VALUE}).")
  private double overlap;

  @Option(
      names = "--weight-bytes",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      defaultValue = "1",
      description = "Bytes of a parameter (default: ${DEFAULT-VALUE}, FP8).")
  private double weightBytes;

  @Option(
      names = "--cache-bytes",
      paramLabel = "X",
      converter = Ranges.Decimal.class,
      defaultValue = "2",
      description = "Bytes of a number in the KV cache (default: ${DEFAULT-VALUE}, BF16).")
  private double cacheBytes;

  @Option(
      names = "--flops",
      paramLabel = "TFLOPS",
      converter = Ranges.Decimal.class,
      defaultValue = "1350",
      description = "Products with weights (default: ${DEFAULT-VALUE}, DeepGEMM in FP8).")
  private double flops;

  @Option(
      names = "--attention-flops",
      paramLabel = "TFLOPS",
      converter = Ranges.Decimal.class,
      defaultValue = "580",
      description = "Attention (default: ${DEFAULT-VALUE}, FlashMLA in BF16).")
  private double attentionFlops;

  @Option(
      names = "--bandwidth",
      paramLabel = "GB/s",
      converter = Ranges.Decimal.class,
      defaultValue = "3000",
      description = "Of a device's memory (default: ${DEFAULT-VALUE}, FlashMLA).")
  private double bandwidth;

  @Option(
      names = "--memory",
      paramLabel = "GB",
      converter = Ranges.Decimal.class,
      defaultValue = "72",
      description =
          "Of a device for weights and cache (default: ${DEFAULT-VALUE}, 80 less a tenth).")
  private double memory;

  @Option(
      names = "--nvlink",
      paramLabel = "GB/s",
      converter = Ranges.Decimal.class,
      defaultValue = "160",
      description = "Of a device to those of its node (default: ${DEFAULT-VALUE}).")
  private double nvlink;

  @Option(
      names = "--network",
      paramLabel = "GB/s",
      converter = Ranges.Decimal.class,
      defaultValue = "50",
      description = "Of a device to other nodes (default: ${DEFAULT-VALUE}, 400 Gbit/s).")
  private double network;

  @Option(
      names = "--latency",
      paramLabel = "US",
      converter = Ranges.Decimal.class,
      defaultValue = "20",
      description = "Microseconds of a dispatch or a combine (default: ${DEFAULT-VALUE}).")
  private double latency;

  int nodeDevices() {
    return nodeDevices;
  }

  int redundant() {
    return redundant;
  }

  int batch() {
    return batch;
  }

  int contextTokens() {
    return contextTokens;
  }

  int prefillTokens() {
    return prefillTokens;
  }

  int prompt() {
    return prompt;
  }

  ScaleModel model(ScaleShape shape) {
    requireAbove("--flops", flops);
    requireAbove("--attention-flops", attentionFlops);
    requireAbove("--bandwidth", bandwidth);
    requireAbove("--memory", memory);
    requireAbove("--nvlink", nvlink);
    requireAbove("--network", network);
    requireAbove("--weight-bytes", weightBytes);
    requireAbove("--cache-bytes", cacheBytes);
    require("--latency", latency >= 0, "0 or more", latency);
    require("--imbalance", imbalance >= 1, "1 or more", imbalance);
    require("--overlap", overlap >= 0 && overlap <= 1, "0 to 1", overlap);
    ScaleMachine machine =
        new ScaleMachine(
            flops * 1e12,
            attentionFlops * 1e12,
            bandwidth * 1e9,
            memory * 1e9,
            nvlink * 1e9,
            network * 1e9,
            latency * 1e-6,
            nodeDevices);
    return new ScaleModel(
        shape, machine, weightBytes, cacheBytes, imbalance, microBatches, overlap);
  }

  private static void requireAbove(String flag, double value) {
    require(flag, value > 0, "a number above 0", value);
  }

  private static void require(String flag, boolean good, String expected, double found) {
    if (!good) {
      throw UsageException.ofFlag(flag, expected, "" + found);
    }
  }

  List<String> assumptions() {
    return List.of(
        text(
            "device    %,.0f TFLOP/s with weights, %,.0f in attention, memory %,.0f GB/s, %.0f GB of it free",
            flops, attentionFlops, bandwidth, memory),
        text(
            "links     %.0f GB/s in a node of %d, %.0f GB/s between nodes, %.0f µs a dispatch or combine",
            nvlink, nodeDevices, network, latency),
        text(
            "bytes     %.2g a parameter, %.2g a number of the cache, 1 a number sent to experts, 2 sent back",
            weightBytes, cacheBytes),
        text(
            "experts   %d replicas, the busiest device has %.2f times the mean",
            redundant, imbalance),
        text("prefill   %,d tokens a device and step, of prompts of %,d", prefillTokens, prompt),
        text(
            "decoding  up to %d sequences a device, of %,d tokens in the cache",
            batch, contextTokens),
        text(
            "overlap   %.0f %% of the shorter of computation and exchange, in %d micro-batches",
            100 * overlap, microBatches));
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
