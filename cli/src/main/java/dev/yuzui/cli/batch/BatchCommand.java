package dev.yuzui.cli.batch;

import dev.yuzui.batch.Batch;
import dev.yuzui.batch.BatchDone;
import dev.yuzui.batch.BatchLines;
import dev.yuzui.batch.BatchOutput;
import dev.yuzui.batch.BatchRun;
import dev.yuzui.batch.BatchShard;
import dev.yuzui.cli.options.ChatOptions;
import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.SamplingOptions;
import dev.yuzui.cli.options.SpeculationOptions;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.Interrupt;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "batch",
    description = {
      "Answers a file of requests, one JSON object to a line, and writes a line for each.",
      "A line is {\"prompt\": …} or {\"messages\": …}, or a request of the OpenAI batch interface,"
          + " {\"custom_id\", \"method\", \"url\", \"body\"}, to /v1/chat/completions or"
          + " /v1/completions, and is answered in the same form. Its fields go before the flags. A"
          + " line that cannot be answered gets an error in its place, and the summary counts them;"
          + " the exit code stays 0 unless no line at all was answered, which is 1. A custom_id"
          + " that is no string, or that an earlier line has, is such an error.",
      "It runs "
          + BatchCommand.SEQUENCES
          + " sequences together unless --max-num-seqs says otherwise.",
      "Ended or killed at any moment, the same command with --resume goes on: lines that have a"
          + " result are left out, an incomplete last one is made again. OUT.manifest.json, beside"
          + " the output, says which model and flags it was begun with; others are refused, and so"
          + " is an output of another input. Nothing is changed until all of it has been compared."
    },
    footer = {
      "",
      "Example: yuzui batch -i in.jsonl -o out.jsonl --resume",
      "Example: yuzui batch -i in.jsonl -o out-3.jsonl --shard 3/8 --resume"
    })
public final class BatchCommand implements Callable<Integer> {
  /** Sequences that run together where the user does not say. */
  public static final int SEQUENCES = 8;

  private final Context context;

  @Spec private CommandSpec spec;

  @Option(
      names = {"-i", "--input"},
      paramLabel = "FILE",
      required = true,
      description = "The requests; - is standard input.")
  private String input;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      required = true,
      description =
          "The results; - is standard output. A file that has something in it is refused, unless"
              + " --resume goes on with it.")
  private String output;

  @Option(
      names = "--resume",
      description = "Go on with -o, if it exists: skip the lines that have a result there.")
  private boolean resume;

  @Option(
      names = "--unordered",
      description = "Write results as they are finished, not in the input's order.")
  private boolean unordered;

  @Option(
      names = "--shard",
      paramLabel = "I/N",
      description =
          "Answer every N-th line alone, from line I + 1 on: shard I of N, counted from 0, each"
              + " with an output of its own, on hosts that need not know of each other. yuzui"
              + " batch-merge puts the outputs together.")
  private Optional<String> shard = Optional.empty();

  @Option(
      names = "--raw",
      description =
          "Give the model plain prompts as they are, without a chat template. Without one, and in"
              + " /v1/completions, <｜User｜> and the like are control tokens in a prompt; in"
              + " messages they are letters.")
  private boolean raw;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ChatOptions chatOptions;
  @Mixin private SamplingOptions samplingOptions;
  @Mixin private SpeculationOptions speculationOptions;

  public BatchCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    samplingOptions.validate();
    chatOptions.validate();
    // a model may have to be fetched first, and what is wrong here is wrong with any
    BatchShard part = shard.map(BatchShard::parse).orElse(BatchShard.ALL);
    BatchInput requests = new BatchInput(context, input);
    requests.requireOther(output);
    requireResumable();
    RuntimeOptions options =
        distributionOptions
            .applied(context, modelOptions.runtimeOptions(context))
            .withSpeculation(speculationOptions.speculation());
    if (!modelOptions.limitsSequences()) {
      options = options.withMaxSequences(SEQUENCES);
    }
    try (BatchLines lines = requests.open(part);
        BatchOutput out = results()) {
      OptionalLong count = compared(requests, part, out.done());
      return run(options, lines, out, count);
    }
  }

  private void requireResumable() {
    if (resume && output.equals("-")) {
      throw UsageException.ofFlag("--resume", "a file to go on with", "-o -");
    }
  }

  private BatchOutput results() {
    if (!output.equals("-")) {
      return BatchOutput.open(Path.of(output), resume);
    }
    return BatchOutput.to(line -> context.out().printNow(line + "\n"));
  }

  private ServedModel model(Engine engine) {
    return ServedModel.of(engine, chatOptions.template(context, engine))
        .with(chatOptions.rendering(), raw, chatOptions.system(), chatOptions.reasoning())
        .with(
            samplingOptions.params(engine.checkpoint().generationDefaults(), engine::tokenizer),
            chatOptions.maxTokens(),
            samplingOptions.stop(),
            samplingOptions.ignoreEos());
  }

  private int run(RuntimeOptions options, BatchLines lines, BatchOutput out, OptionalLong count) {
    AtomicBoolean interrupted = new AtomicBoolean();
    try (Engine engine = open(options, out);
        Interrupt _ = new Interrupt(() -> interrupted.set(true))) {
      BatchRun run =
          new BatchRun(
              lines,
              out,
              model(engine),
              BatchRun.Generator.of(engine),
              new BatchRun.Options(Batch.AHEAD * options.maxSequences(), !unordered, Flags::in));
      BatchProgress progress =
          new BatchProgress(
              context, count, out.done().lines(), System::nanoTime, engine::deviceLoads);
      boolean done;
      try (progress) {
        done = run.run(progress, interrupted::get);
      }
      context.err().println(progress.summary());
      if (!done) {
        context.err().println("interrupted" + (output.equals("-") ? "" : "; --resume goes on"));
        return ExitCode.INTERRUPTED;
      }
      return exitCode(out.done(), progress);
    }
  }

  /** The whole output counts, so that a run that finds nothing left to do says the same. */
  private int exitCode(BatchDone before, BatchProgress progress) {
    long answered = before.lines() - before.errors() + progress.answeredLines();
    long failed = before.errors() + progress.failedLines();
    if (answered > 0 || failed == 0) {
      return ExitCode.DONE;
    }
    throw new FailedException(
        "no line was answered: each has its error in "
            + (output.equals("-") ? "the output" : "-o " + output));
  }

  /**
   * Reads the input once ahead, where it can be read again; which takes no time beside the rest.
   */
  private OptionalLong compared(BatchInput requests, BatchShard part, BatchDone done) {
    if (requests.isFile()) {
      try (BatchLines lines = requests.open(part)) {
        return OptionalLong.of(done.prove(lines));
      }
    }
    if (unordered && !done.isEmpty()) {
      throw UsageException.ofFlag(
          "-i",
          "a file, for --resume with --unordered compares all results with it before it goes on",
          input);
    }
    return OptionalLong.empty();
  }

  /** Other answers than those that are there are refused before the weights are loaded. */
  private Engine open(RuntimeOptions options, BatchOutput out) {
    Checkpoint checkpoint = Loading.checkpoint(context, options);
    try {
      out.begin(BatchFlags.manifest(checkpoint, spec))
          .forEach(change -> context.err().println("--resume: from here on " + change));
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
    return Loading.open(context, checkpoint, options);
  }
}
