package dev.yuzui.cli.shell;

import dev.yuzui.batch.BatchException;
import dev.yuzui.convert.ConvertException;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.hub.HubException;
import dev.yuzui.parallel.ParallelException;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.spi.BackendException;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.WeightException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns whatever went wrong into a line on stderr and an exit code. */
public record Failures(Context context)
    implements CommandLine.IParameterExceptionHandler, CommandLine.IExecutionExceptionHandler {
  public static final String STACK_TRACE = "--stack-trace";

  public static boolean wantsStackTrace(String... args) {
    return Arrays.asList(args).contains(STACK_TRACE);
  }

  public static boolean wantsStackTrace(ParseResult parsed) {
    return parsed.originalArgs().contains(STACK_TRACE);
  }

  @Override
  public int handleParseException(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    say(e.getMessage());
    if (e instanceof UnmatchedArgumentException unmatched) {
      List<String> meant =
          Optional.of(apart(unmatched))
              .filter(l -> !l.isEmpty())
              .orElse(unmatched.getSuggestions());
      if (!meant.isEmpty()) {
        context.err().println("Did you mean " + String.join(" or ", meant) + "?");
      }
    }
    context.err().println("See " + command.getCommandSpec().qualifiedName() + " --help");
    return ExitCode.USAGE;
  }

  /** {@code -n4} is no flag: {@code -n 4} is. */
  private static List<String> apart(UnmatchedArgumentException e) {
    Set<String> names = e.getCommandLine().getCommandSpec().optionsMap().keySet();
    return e.getUnmatched().stream()
        .filter(word -> word.matches("-[a-z]+[0-9].*"))
        .map(word -> word.replaceFirst("(?<=[a-z])(?=[0-9])", " "))
        .filter(words -> names.contains(words.substring(0, words.indexOf(' '))))
        .toList();
  }

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult parsed) {
    return report(e, wantsStackTrace(parsed));
  }

  public int report(Throwable e, boolean stackTrace) {
    if (stackTrace) {
      e.printStackTrace(context.err());
    }
    return explain(e, stackTrace);
  }

  private int explain(Throwable e, boolean stackTrace) {
    return switch (e) {
      case Out.ReaderGone _ -> ExitCode.DONE;
      case UsageException _ -> say(e.getMessage(), ExitCode.USAGE);
      case WeightException _ -> say(e.getMessage(), ExitCode.USAGE);
      case BatchException b ->
          say(
              Flags.in(b.getMessage()),
              b.fault() == BatchException.Fault.ASKED ? ExitCode.USAGE : ExitCode.FAILED);
      case HubException h ->
          say(
              e.getMessage(),
              switch (h.fault()) {
                case ASKED -> ExitCode.USAGE;
                case SYSTEM -> ExitCode.FAILED;
                case INTERRUPTED -> ExitCode.INTERRUPTED;
              });
      case ConvertException c ->
          say(
              c.getMessage(),
              c.fault() == ConvertException.Fault.ASKED ? ExitCode.USAGE : ExitCode.FAILED);
      case TextException _ -> say(e.getMessage(), ExitCode.USAGE);
      case ParallelException _ -> say(e.getMessage(), ExitCode.USAGE);
      case EngineException failure when failure.getCause() != null ->
          explain(failure.getCause(), stackTrace);
      case EngineException _ -> say(e.getMessage(), ExitCode.USAGE);
      case SamplingException _ -> say(e.getMessage(), ExitCode.FAILED);
      case FailedException _ -> say(e.getMessage(), ExitCode.FAILED);
      case BackendException _ -> say(e.getMessage(), ExitCode.FAILED);
      case OutOfMemoryError full ->
          say(OutOfMemory.explain(full, Runtime.getRuntime().maxMemory()), ExitCode.FAILED);
      default ->
          say(
              "unexpected "
                  + e.getClass().getSimpleName()
                  + (e.getMessage() == null
                      ? ""
                      : ": " + e.getMessage().lines().findFirst().orElse(""))
                  + (stackTrace ? "" : "; run with " + STACK_TRACE + " for details"),
              ExitCode.FAILED);
    };
  }

  private int say(String message, int code) {
    say(message);
    return code;
  }

  private void say(String message) {
    context.err().println("yuzui: " + Flags.in(message));
  }
}
