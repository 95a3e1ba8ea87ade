package dev.yuzui.cli;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = CompletionCommand.NAME,
    description = "Prints a completion script for bash and zsh.",
    footer = {"", "Example: source <(yuzui completion)"})
final class CompletionCommand implements Callable<Integer> {
  static final String NAME = "completion";

  private final Context context;

  @Spec private CommandSpec spec;

  public CompletionCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    context.out().print(AutoComplete.bash("yuzui", spec.root().commandLine()));
    return ExitCode.DONE;
  }
}
