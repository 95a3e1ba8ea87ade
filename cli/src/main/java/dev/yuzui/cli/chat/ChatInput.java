package dev.yuzui.cli.chat;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.TextLines;
import dev.yuzui.cli.shell.UsageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.reader.Widget;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/** Where the lines of a chat come from. */
sealed interface ChatInput extends AutoCloseable {
  /**
   * The next line; empty when there are no more.
   *
   * @throws UsageException if the line is no text; the next may be
   */
  Optional<String> next();

  @Override
  void close();

  static ChatInput open(Context context) {
    boolean terminal =
        context.surroundings().inIsTerminal() && context.surroundings().outIsTerminal();
    return terminal ? Prompt.open(context) : new Lines(context);
  }

  /** Standard input as it is, for scripts. */
  final class Lines implements ChatInput {
    private final TextLines lines;

    private Lines(Context context) {
      lines = new TextLines(context.in());
    }

    @Override
    public Optional<String> next() {
      return lines.next();
    }

    @Override
    public void close() {
      // standard input belongs to the process
    }
  }

  /** A prompt with line editing; history is kept in the user's cache folder. */
  final class Prompt implements ChatInput {
    private final Context context;
    private final Terminal terminal;
    private final LineReader reader;
    private boolean asked;

    private Prompt(Context context, Terminal terminal) {
      this.context = context;
      this.terminal = terminal;
      LineReaderBuilder builder = LineReaderBuilder.builder().terminal(terminal);
      history(context).ifPresent(file -> builder.variable(LineReader.HISTORY_FILE, file));
      reader =
          builder
              // what people write to a model is full of ! and \
              .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
              .option(LineReader.Option.BRACKETED_PASTE, true)
              .build();
      // a Ctrl-D that came while the model was loaded is kept by the terminal as this
      reader.getKeyMaps().get(LineReader.MAIN).bind((Widget) this::endOfFile, "\0");
    }

    private boolean endOfFile() {
      if (!asked && reader.getBuffer().length() == 0) {
        throw new EndOfFileException();
      }
      return true;
    }

    /** Where the cache folder cannot be written, lines are remembered until the chat ends. */
    static Optional<Path> history(Context context) {
      Path file = context.surroundings().cache().resolve("chat-history");
      try {
        return Optional.of(PrivateFile.open(file));
      } catch (IOException | UnsupportedOperationException _) {
        context
            .err()
            .println(
                "What you write is not kept for the next chat, for "
                    + file
                    + " cannot be written; XDG_CACHE_HOME names another folder.");
        return Optional.empty();
      }
    }

    private static Prompt open(Context context) {
      try {
        return new Prompt(context, TerminalBuilder.builder().system(true).build());
      } catch (IOException e) {
        throw new FailedException("the terminal cannot be opened: " + e.getMessage());
      }
    }

    @Override
    public Optional<String> next() {
      while (true) {
        try {
          String line = reader.readLine("> ");
          asked = true;
          return Optional.of(line);
        } catch (UserInterruptException _) {
          context.err().println("(Ctrl-D or /exit ends the chat)");
        } catch (EndOfFileException _) {
          return Optional.empty();
        }
      }
    }

    @Override
    public void close() {
      try {
        terminal.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
