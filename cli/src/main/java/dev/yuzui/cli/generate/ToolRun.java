package dev.yuzui.cli.generate;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputMessage.Call;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Answers calls of tools: by a program, each run of which is asked for, or by hand.
 *
 * @param command the program; empty: by hand
 * @param lines what a person types, a line each; empty when there are no more
 */
public record ToolRun(Context context, Optional<String> command, Supplier<Optional<String>> lines) {
  /** Of what a program prints. */
  private static final int MOST_BYTES = 1 << 20;

  /** A turn for each call; empty if the person leaves. */
  public Optional<List<Message>> answered(List<Call> calls) {
    List<Message> turns = new ArrayList<>();
    for (Call call : calls) {
      Optional<String> result = command.isPresent() ? byCommand(call) : byHand(call);
      if (result.isEmpty()) {
        return Optional.empty();
      }
      turns.add(
          new Message("tool", result, Map.of("tool_call_id", call.id(), "name", call.name())));
    }
    return Optional.of(turns);
  }

  private Optional<String> byHand(Call call) {
    context.err().print(call.name() + " answers: ");
    context.err().flush();
    return lines.get();
  }

  private Optional<String> byCommand(Call call) {
    context.err().print("run " + command.orElseThrow() + " " + call.name() + "? [y/N] ");
    context.err().flush();
    Optional<String> line = lines.get();
    if (line.isEmpty()) {
      return Optional.empty();
    }
    String answer = line.get().strip();
    return Optional.of(
        answer.equalsIgnoreCase("y") || answer.equalsIgnoreCase("yes")
            ? run(call)
            : "error: the user did not allow this call");
  }

  /** What the program prints; where it fails, that it did. */
  private String run(Call call) {
    String program = command.orElseThrow();
    try {
      Process process =
          new ProcessBuilder(program, call.name())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      try (OutputStream in = process.getOutputStream()) {
        in.write(call.arguments().getBytes(StandardCharsets.UTF_8));
      } catch (IOException _) {
        // it does not read them
      }
      String text;
      try (InputStream out = process.getInputStream()) {
        text = new String(out.readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
      }
      int status = process.waitFor();
      return status == 0
          ? text.stripTrailing()
          : ("error: exit status " + status + "\n" + text).stripTrailing();
    } catch (IOException e) {
      throw new FailedException("--tool-command: " + program + " cannot be run: " + e.getMessage());
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return "error: interrupted";
    }
  }
}
