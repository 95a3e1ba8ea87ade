package dev.yuzui.cli;

import dev.yuzui.cli.batch.BatchCommand;
import dev.yuzui.cli.batch.BatchMergeCommand;
import dev.yuzui.cli.bench.BenchCommand;
import dev.yuzui.cli.chat.ChatCommand;
import dev.yuzui.cli.compare.CompareCommand;
import dev.yuzui.cli.convert.ConvertCommand;
import dev.yuzui.cli.convert.ImatrixCommand;
import dev.yuzui.cli.evaluate.LogitsCommand;
import dev.yuzui.cli.evaluate.PerplexityCommand;
import dev.yuzui.cli.experts.ExpertsCommand;
import dev.yuzui.cli.generate.GenerateCommand;
import dev.yuzui.cli.inspect.DevicesCommand;
import dev.yuzui.cli.inspect.InspectCommand;
import dev.yuzui.cli.inspect.TokenizeCommand;
import dev.yuzui.cli.pull.PullCommand;
import dev.yuzui.cli.scale.ScaleCommand;
import dev.yuzui.cli.serve.ServeCommand;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Version;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

@Command(
    name = "yuzui",
    description = "Runs DeepSeek-architecture language models.",
    synopsisSubcommandLabel = "COMMAND",
    versionProvider = Version.class,
    footer = {
      "",
      "Example: yuzui generate -p \"Once upon a time\"",
      "Exit codes: 0 done, 1 failed while running, 2 bad input or usage, 130 interrupted."
    })
final class YuzuiCommand implements Callable<Integer> {
  static final List<Class<?>> COMMANDS =
      List.of(
          GenerateCommand.class,
          ChatCommand.class,
          BatchCommand.class,
          ServeCommand.class,
          BatchMergeCommand.class,
          PullCommand.class,
          ConvertCommand.class,
          ImatrixCommand.class,
          InspectCommand.class,
          TokenizeCommand.class,
          LogitsCommand.class,
          PerplexityCommand.class,
          DevicesCommand.class,
          BenchCommand.class,
          CompareCommand.class,
          ExpertsCommand.class,
          ScaleCommand.class,
          CompletionCommand.class,
          HelpCommand.class);

  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      scope = ScopeType.INHERIT,
      description = "Show this help.")
  @SuppressWarnings("UnusedVariable") // picocli asks the option, not the field
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Show the version.")
  @SuppressWarnings("UnusedVariable") // picocli asks the option, not the field
  private boolean version;

  @Option(
      names = Failures.STACK_TRACE,
      hidden = true,
      scope = ScopeType.INHERIT,
      description = "Print where a failure happened.")
  @SuppressWarnings("UnusedVariable") // picocli asks the option, not the field
  private boolean stackTrace;

  @Override
  public Integer call() {
    throw new ParameterException(
        spec.commandLine(),
        "expected a command: " + String.join(", ", spec.subcommands().keySet()));
  }
}
