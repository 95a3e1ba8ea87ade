package dev.yuzui.cli.shell;

import java.util.Comparator;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What the library's messages call by a record and its component, {@code
 * RuntimeOptions.contextLength}, in the words of the command line: {@code -c}.
 */
public final class Flags {
  public static final Map<String, String> BY_COMPONENT =
      Map.ofEntries(
          Map.entry("RuntimeOptions.model", "-m"),
          Map.entry("RuntimeOptions.metadata", "--override-kv"),
          Map.entry("RuntimeOptions.backend", "--backend"),
          Map.entry("RuntimeOptions.devices", "--device"),
          Map.entry("RuntimeOptions.threads", "-t"),
          Map.entry("RuntimeOptions.contextLength", "-c"),
          Map.entry("RuntimeOptions.fit", "--fit"),
          Map.entry("RuntimeOptions.batchTokens", "-b"),
          Map.entry("KvCacheOptions.encoding", "--kv-cache-dtype"),
          Map.entry("RuntimeOptions.maxSequences", "--max-num-seqs"),
          Map.entry("KvCacheOptions.pages", "--cache-pages"),
          Map.entry("RuntimeOptions.withRepack(false)", "--no-repack"),
          Map.entry("RuntimeOptions.repackCache", "--repack-cache"),
          Map.entry("RuntimeOptions.v4Qat", "--v4-qat"),
          Map.entry("RuntimeOptions.earlyLaunch", "--no-early-launch"),
          Map.entry("Distribution.expertParallel", "--enable-expert-parallel"),
          Map.entry("Distribution.split EXPERT", "--split-mode expert"),
          Map.entry("Distribution.split", "--split-mode"),
          Map.entry("Distribution.redundantExperts", "--num-redundant-experts"),
          Map.entry("Distribution.cpuExpertLayers", "--n-cpu-moe"),
          Map.entry("Distribution.expertBudget", "--gpu-expert-budget"),
          Map.entry("Distribution.rebalanceSteps", "--eplb-step-interval"),
          Map.entry("Distribution.loads", "--expert-loads"),
          Map.entry("HubOptions.site", "--hub"),
          Map.entry("HubOptions.endpoint", "--hf-endpoint"),
          Map.entry("HubOptions.revision", "--revision"),
          Map.entry("HubOptions.offline", "--offline"),
          Map.entry("ConvertOptions.model", "-m"),
          Map.entry("ConvertOptions.output", "-o"),
          Map.entry("ConvertOptions.type", "--type"),
          Map.entry("ConvertOptions.overrides", "--tensor-type"),
          Map.entry("ConvertOptions.importance", "--imatrix"),
          Map.entry("ConvertOptions.splitBytes", "--split-max-size"),
          Map.entry("ConvertOptions.force", "--force"),
          Map.entry("ConvertOptions.threads", "-t"),
          Map.entry("Batch.input", "-i"),
          Map.entry("Batch.output", "-o"),
          Map.entry("Batch.resume", "--resume"),
          Map.entry("Batch.ordered", "--unordered"),
          Map.entry("Batch.shard", "--shard"),
          Map.entry("ExpertBalancer.nodes", "--nodes"),
          Map.entry("ExpertBalancer.devices", "--devices"),
          Map.entry("ExpertBalancer.redundant", "--num-redundant-experts"),
          Map.entry("Speculation.drafts MTP", "--spec-type draft-mtp"),
          Map.entry("Speculation.drafts", "--spec-type"),
          Map.entry("Speculation.model", "-md"),
          Map.entry("Speculation.mostDrafts", "--spec-draft-n-max"),
          Map.entry("Speculation.leastProbable", "--spec-draft-p-min"),
          Map.entry("Speculation.vocabulary", "--spec-draft-vocab-size"),
          Map.entry("SamplingParams.temperature", "--temp"),
          Map.entry("SamplingParams.topK", "--top-k"),
          Map.entry("SamplingParams.topP", "--top-p"),
          Map.entry("SamplingParams.minP", "--min-p"),
          Map.entry("SamplingParams.typicalP", "--typical"),
          Map.entry("Penalties.repeat", "--repeat-penalty"),
          Map.entry("Penalties.lastN", "--repeat-last-n"),
          Map.entry("Penalties.presence", "--presence-penalty"),
          Map.entry("Penalties.frequency", "--frequency-penalty"),
          Map.entry("SamplingParams.logitBias", "--logit-bias"),
          Map.entry("SamplingParams.seed", "--seed"),
          Map.entry("Dry.multiplier", "--dry-multiplier"),
          Map.entry("Dry.base", "--dry-base"),
          Map.entry("Dry.allowedLength", "--dry-allowed-length"),
          Map.entry("Dry.lastN", "--dry-penalty-last-n"),
          Map.entry("Dry.breakers", "--dry-sequence-breaker"),
          Map.entry("GenerateRequest.prompt", "-p"),
          Map.entry("GenerateRequest.maxTokens", "-n"),
          Map.entry("GenerateRequest.stop", "--stop"),
          Map.entry("GenerateRequest.ignoreEos", "--ignore-eos"));

  /** The longer first, of two that begin alike; none within a longer word. */
  private static final Pattern COMPONENT =
      Pattern.compile(
          BY_COMPONENT.keySet().stream()
              .sorted(Comparator.comparing(String::length).reversed())
              .map(name -> Pattern.quote(name) + (name.endsWith(")") ? "" : "\\b"))
              .collect(Collectors.joining("|", "\\b(?:", ")")));

  private Flags() {}

  /** A message of the library's, for people who type flags. */
  public static String in(String message) {
    return COMPONENT
        .matcher(message)
        .replaceAll(found -> Matcher.quoteReplacement(BY_COMPONENT.get(found.group())));
  }
}
