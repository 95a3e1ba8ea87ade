package dev.yuzui.cli;

import dev.yuzui.cli.options.PeerFlags;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Out;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;

/** Parses a command line and runs its command. */
final class Cli {
  private Cli() {}

  /** Returns the exit code; throws nothing. */
  static int run(Context context, String... args) {
    Failures failures = new Failures(context);
    try {
      int code = commandLine(context, failures, args).execute(args);
      context.out().flush();
      return code;
    } catch (Throwable e) {
      return failures.report(e, Failures.wantsStackTrace(args));
    }
  }

  private static CommandLine commandLine(Context context, Failures failures, String... args) {
    CommandLine commandLine = new CommandLine(new YuzuiCommand());
    addCommands(commandLine, new Commands(context), List.of(args));
    return commandLine
        .setOut(new PrintWriter(asStream(context.out()), true, StandardCharsets.UTF_8))
        .setErr(new PrintWriter(context.err(), true, StandardCharsets.UTF_8))
        .setParameterExceptionHandler(failures)
        .setExecutionExceptionHandler(failures)
        .setExecutionStrategy(parsed -> execute(parsed, failures))
        // the word after -p is the prompt, even if it begins with a dash
        .setAllowOptionsAsOptionParameters(true)
        .setOverwrittenOptionsAllowed(true)
        // -np 4 is never -n p
        .setPosixClusteredShortOptionsAllowed(false)
        .setUsageHelpAutoWidth(false)
        .setUsageHelpWidth(100)
        .setUsageHelpLongOptionsMaxWidth(34)
        .setExpandAtFiles(false);
  }

  /** Picocli has no handler for what goes wrong as it prints its own help. */
  private static int execute(ParseResult parsed, Failures failures) {
    try {
      return new RunLast().execute(parsed);
    } catch (ExecutionException | ParameterException e) {
      throw e; // it has one for these
    } catch (RuntimeException e) {
      return failures.report(e, Failures.wantsStackTrace(parsed));
    }
  }

  /**
   * Reads the flags of the commands that are named, which takes a while, and only the names of the
   * others.
   */
  private static void addCommands(CommandLine root, Commands factory, List<String> args) {
    for (Class<?> type : YuzuiCommand.COMMANDS) {
      Command command = type.getAnnotation(Command.class);
      if (args.contains(command.name()) || args.contains(CompletionCommand.NAME)) {
        CommandLine subcommand = new CommandLine(type, factory);
        subcommand.getCommandSpec().usageMessage().abbreviateSynopsis(true);
        PeerFlags.addTo(subcommand.getCommandSpec());
        root.addSubcommand(subcommand);
      } else {
        CommandSpec name = CommandSpec.create();
        name.usageMessage().description(command.description());
        root.addSubcommand(command.name(), name);
      }
    }
  }

  private static OutputStream asStream(Out out) {
    return new OutputStream() {
      @Override
      public void write(int b) {
        out.write(new byte[] {(byte) b});
      }

      @Override
      public void write(byte[] bytes, int from, int count) {
        out.write(java.util.Arrays.copyOfRange(bytes, from, from + count));
      }

      @Override
      public void flush() {
        out.flush();
      }
    };
  }

  /** Gives the context to the commands that ask for it in their constructor. */
  private record Commands(Context context) implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
      for (Constructor<?> constructor : type.getDeclaredConstructors()) {
        Class<?>[] wants = constructor.getParameterTypes();
        if (wants.length == 1 && wants[0] == Context.class) {
          return type.cast(constructor.newInstance(context));
        }
      }
      return CommandLine.defaultFactory().create(type);
    }
  }
}
