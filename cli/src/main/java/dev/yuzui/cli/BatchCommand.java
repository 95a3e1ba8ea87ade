package dev.yuzui.cli;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Generation;
import dev.yuzui.engine.RuntimeOptions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "batch",
    description = {
      "Answers a file of requests, one JSON object to a line, and writes a line for each.",
      "A line is {\"prompt\": …} or {\"messages\": …}, or a request of the OpenAI batch interface,"
          + " {\"custom_id\", \"method\", \"url\", \"body\"}, to /v1/chat/completions or"
          + " /v1/completions, and is answered in the same form. Its fields go before the flags. A"
          + " line that cannot be answered gets an error in its place; the exit code stays 0, and the"
          + " summary counts them.",
      "It runs "
          + BatchCommand.SEQUENCES
          + " sequences together unless --max-num-seqs says otherwise.",
      "Ended or killed at any moment, the same command with --resume goes on: lines that have a"
          + " result are left out, an incomplete last one is made again."
    },
    footer = {"", "Example: yuzui batch -i in.jsonl -o out.jsonl --resume"})
final class BatchCommand implements Callable<Integer> {
  /** Sequences that run together where the user does not say. */
  static final int SEQUENCES = 8;

  /** Answers in work or waiting for their turn, for each sequence that runs. */
  private static final int AHEAD = 4;

  private final Context context;

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
      description = "The results; - is standard output. A file that exists is refused.")
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
      names = "--raw",
      description = "Give the model plain prompts as they are, without a chat template.")
  private boolean raw;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ChatOptions chatOptions;
  @Mixin private SamplingOptions samplingOptions;
  @Mixin private SpeculationOptions speculationOptions;

  BatchCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    samplingOptions.validate();
    RuntimeOptions options =
        distributionOptions
            .applied(context, modelOptions.runtimeOptions(context))
            .withSpeculation(speculationOptions.speculation());
    if (!modelOptions.limitsSequences()) {
      options = options.withMaxSequences(SEQUENCES);
    }
    AtomicBoolean interrupted = new AtomicBoolean();
    boolean done;
    try (BatchLines lines = new BatchLines("-i " + input, open());
        BatchOutput out = BatchOutput.open(context, output, resume);
        Engine engine = Loading.open(context, options);
        Interrupt _ = new Interrupt(() -> interrupted.set(true))) {
      BatchRun run =
          new BatchRun(
              lines,
              out,
              BatchModel.of(context, engine, chatOptions, samplingOptions, raw),
              (request, answers) ->
                  engine.generate(request, answers).stream().map(Generation::result).toList(),
              new BatchRun.Options(AHEAD * options.maxSequences(), !unordered));
      BatchProgress progress =
          new BatchProgress(
              context, count(), out.done().lines(), System::nanoTime, engine::deviceLoads);
      try (progress) {
        done = run.run(progress, interrupted::get);
      }
      context.err().println(progress.summary());
    }
    if (!done) {
      context.err().println("interrupted; --resume goes on");
    }
    return done ? ExitCode.DONE : ExitCode.INTERRUPTED;
  }

  private InputStream open() {
    if (input.equals("-")) {
      return context.in();
    }
    try {
      Path file = Path.of(input);
      if (Files.isDirectory(file)) {
        throw UsageException.ofFlag("-i", "a file", input + ", which is a folder");
      }
      return Files.newInputStream(file);
    } catch (NoSuchFileException _) {
      throw UsageException.ofFlag("-i", "a file", input + ", which does not exist");
    } catch (IOException e) {
      throw UsageException.ofFlag("-i", "a readable file", input + ": " + e.getMessage());
    }
  }

  /** Reads the input once more, ahead, which takes no time beside answering it. */
  private OptionalLong count() {
    if (input.equals("-") || !Files.isRegularFile(Path.of(input))) {
      return OptionalLong.empty();
    }
    try (BatchLines lines = new BatchLines("-i " + input, open())) {
      long count = 0;
      while (lines.next().isPresent()) {
        count++;
      }
      return OptionalLong.of(count);
    }
  }
}
