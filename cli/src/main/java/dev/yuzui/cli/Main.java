package dev.yuzui.cli;

import dev.yuzui.cli.shell.Arguments;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.StandardStreams;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.cli.shell.UsageException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/** Where the {@code yuzui} launcher starts. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    Surroundings surroundings = Surroundings.ofProcess();
    surroundings.stderrCopy().ifPresent(StandardStreams::takeBackStderr);
    OptionalInt stdout = surroundings.stdoutCopy();
    Context context =
        new Context(
            surroundings,
            System.in,
            new Out(
                stdout.isPresent()
                    ? StandardStreams.numbered(stdout.getAsInt())
                    : new FileOutputStream(FileDescriptor.out)),
            new PrintStream(
                new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
    System.exit(run(context, args));
  }

  private static int run(Context context, String[] args) {
    try {
      return Cli.run(context, Arguments.asTyped(args));
    } catch (UsageException e) {
      return new Failures(context).report(e, Failures.wantsStackTrace(args));
    }
  }
}
