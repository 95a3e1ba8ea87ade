package dev.yuzui.cli;

import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "help",
    description = "Shows the help of a command, as COMMAND --help does.",
    footer = {"", "Example: yuzui help generate"})
final class HelpCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(arity = "0..1", paramLabel = "COMMAND", description = "The command.")
  private Optional<String> command = Optional.empty();

  @Override
  public Integer call() {
    CommandLine root = spec.root().commandLine();
    Map<String, CommandLine> all = root.getSubcommands();
    CommandLine shown =
        command
            .map(
                name ->
                    Optional.ofNullable(all.get(name))
                        .orElseThrow(
                            () ->
                                UsageException.ofFlag(
                                    "help",
                                    "one of " + String.join(", ", all.keySet()),
                                    "'" + name + "'")))
            .orElse(root);
    shown.usage(root.getOut());
    return ExitCode.DONE;
  }
}
