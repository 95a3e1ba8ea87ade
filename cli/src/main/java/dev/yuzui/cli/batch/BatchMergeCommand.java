package dev.yuzui.cli.batch;

import dev.yuzui.batch.BatchMerge;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "batch-merge",
    description = {
      "Puts the outputs of yuzui batch --shard together, in the input's order.",
      "Every line of the input must have its result once, and every result its line: what is"
          + " missing, there twice or of another input is named, the exit code is 1, and nothing is"
          + " written. Outputs of different models or flags are refused."
    },
    footer = {"", "Example: yuzui batch-merge -i in.jsonl -o out.jsonl out-*.jsonl"})
public final class BatchMergeCommand implements Callable<Integer> {
  private final Context context;

  @Option(
      names = {"-i", "--input"},
      paramLabel = "FILE",
      required = true,
      description = "The requests that all shards were given.")
  private Path input;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      required = true,
      description = "All results; a new file.")
  private Path output;

  @Parameters(paramLabel = "OUT", arity = "1..*", description = "The outputs of the shards.")
  private List<Path> outputs;

  public BatchMergeCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    requireFile("-i", input);
    requireFile("-o", output);
    outputs.forEach(out -> requireFile("OUT", out));
    BatchMerge.Summary done = new BatchMerge(input, outputs, output).run();
    done.notes().forEach(context.err()::println);
    context
        .err()
        .printf(
            "%d lines of %d outputs: %d answered, %d with errors%n",
            done.lines(), outputs.size(), done.lines() - done.errors(), done.errors());
    return ExitCode.DONE;
  }

  /** What is read twice, or has a manifest beside it, is no stream. */
  private static void requireFile(String flag, Path file) {
    if (file.toString().equals("-")) {
      throw UsageException.ofFlag(flag, "a file", "-; for a file of that name write ./-");
    }
  }
}
