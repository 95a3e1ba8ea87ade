package dev.yuzui.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import picocli.CommandLine;
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
    versionProvider = YuzuiCommand.Version.class,
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
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Show the version.")
  private boolean version;

  @Option(
      names = Failures.STACK_TRACE,
      hidden = true,
      scope = ScopeType.INHERIT,
      description = "Print where a failure happened.")
  private boolean stackTrace;

  @Override
  public Integer call() {
    throw new ParameterException(
        spec.commandLine(),
        "expected a command: " + String.join(", ", spec.subcommands().keySet()));
  }

  static final class Version implements CommandLine.IVersionProvider {
    static String number() {
      try (InputStream in = Version.class.getResourceAsStream("version.properties")) {
        Properties properties = new Properties();
        properties.load(in);
        return properties.getProperty("version");
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public String[] getVersion() {
      return new String[] {
        "yuzui " + number(),
        "JDK "
            + Runtime.version()
            + ", "
            + System.getProperty("os.name")
            + " "
            + System.getProperty("os.arch")
      };
    }
  }
}
