package dev.yuzui.cli.chat;

import dev.yuzui.cli.generate.Answer;
import dev.yuzui.cli.generate.GenerateCommand;
import dev.yuzui.cli.generate.ToolRun;
import dev.yuzui.cli.options.ChatOptions;
import dev.yuzui.cli.options.PromptCacheOptions;
import dev.yuzui.cli.options.SamplingOptions;
import dev.yuzui.cli.options.Tools;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Interrupt;
import dev.yuzui.cli.shell.NotNumbers;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.TextException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Lines in, answers out. What earlier turns have in common with the next prompt is cached. */
final class ChatSession {
  private static final String HELP =
      """
      /reset        forget the conversation (the system prompt stays)
      /system TEXT  set the system prompt; without TEXT, remove it
      /save FILE    write the conversation as JSON
      /load FILE    read one back
      /stats        timings of the last answer, and the context in use
      /help         this list
      /exit         end, as Ctrl-D does
      //TEXT        say /TEXT, which would be a command""";

  /** What was asked with all that led up to it, and what came of it. */
  private record Turn(GenerateRequest request, GenerationResult result) {}

  private final Context context;
  private final Engine engine;
  private final Dialogue dialogue;
  private final ChatOptions options;
  private final SamplingParams sampling;
  private final List<String> stops;
  private final boolean ignoreEos;
  private final Failures failures;
  private final boolean stackTrace;
  private final Conversation conversation;
  private final Optional<GrammarSource> form;
  private final Tools tools;
  private final ToolRun run;
  private Optional<Turn> last = Optional.empty();
  private OutputMessage lastMessage = OutputMessage.of(List.of());
  private int tokensInUse;

  /**
   * @param form what each answer may be
   * @param run answers calls
   * @param stackTrace whether failures are told with where they happened
   * @throws TextException if the template refuses the system prompt
   */
  ChatSession(
      Context context,
      Engine engine,
      Dialogue dialogue,
      ChatOptions options,
      SamplingOptions samplingOptions,
      Optional<GrammarSource> form,
      Tools tools,
      ToolRun run,
      boolean stackTrace) {
    this.context = context;
    this.engine = engine;
    this.dialogue = dialogue;
    this.options = options;
    this.form = form;
    this.tools = tools;
    this.run = run;
    sampling = samplingOptions.params(engine.checkpoint().generationDefaults(), engine::tokenizer);
    stops = Stream.concat(dialogue.stops().stream(), samplingOptions.stop().stream()).toList();
    ignoreEos = samplingOptions.ignoreEos();
    failures = new Failures(context);
    this.stackTrace = stackTrace;
    conversation = new Conversation(options.system());
    requireRenderable();
  }

  /** Until the input ends or asks to. What goes wrong with a line is told, and the next is read. */
  void run(ChatInput input) {
    if (input instanceof ChatInput.Prompt) {
      context
          .err()
          .println(
              engine.config().name() + " on " + engine.backendName() + ". /help lists commands.");
    }
    Optional<String> line = next(input);
    while (line.isPresent() && !line.get().strip().equals("/exit")) {
      try {
        take(line.get());
      } catch (Out.ReaderGone | Out.Unwritable e) {
        throw e; // nobody would get the answers
      } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
        if (!engine.isUsable()) {
          throw e;
        }
        failures.report(e, stackTrace);
      }
      line = next(input);
    }
  }

  /** The next line that is text. */
  private Optional<String> next(ChatInput input) {
    while (true) {
      try {
        return input.next();
      } catch (UsageException e) {
        failures.report(e, stackTrace);
      }
    }
  }

  /** Keeps what the last answer was made of. */
  void save(PromptCache cache) {
    last.ifPresent(turn -> PromptCacheOptions.save(cache, turn.request(), turn.result()));
  }

  private void take(String line) {
    if (line.startsWith("//")) {
      answer(line.substring(1));
    } else if (line.startsWith("/")) {
      String[] words = line.strip().split("\\s+", 2);
      command(words[0], words.length > 1 ? words[1] : "");
    } else if (!line.isBlank()) {
      answer(line);
    }
  }

  private void command(String name, String argument) {
    switch (name) {
      case "/reset" -> conversation.reset();
      case "/system" -> setSystem(argument);
      case "/save" -> conversation.save(file(name, argument));
      case "/load" -> {
        Path file = file(name, argument);
        change(() -> conversation.load(file));
      }
      case "/stats" -> context.err().println(stats());
      case "/help" -> context.err().println(HELP);
      default ->
          throw new UsageException(
              name
                  + ": no such command; /help lists them, and a message that begins with / is"
                  + " written with //");
    }
  }

  private void setSystem(String text) {
    if (dialogue instanceof Dialogue.Plain) {
      throw new UsageException("/system: this model has no chat template to put it in");
    }
    change(() -> conversation.setSystem(text));
  }

  /** What the template would refuse at every turn from then on does not happen. */
  private void change(Runnable change) {
    Conversation before = conversation.copy();
    try {
      change.run();
      requireRenderable();
    } catch (RuntimeException e) {
      conversation.become(before);
      throw e;
    }
  }

  private void requireRenderable() {
    List<Message> messages = conversation.messages();
    if (!messages.isEmpty()) {
      messages.add(Message.user("?"));
      dialogue.render(messages);
    }
  }

  private static Path file(String command, String argument) {
    if (argument.isEmpty()) {
      throw UsageException.ofFlag(command, "a file name", "none");
    }
    try {
      return Path.of(argument);
    } catch (InvalidPathException e) {
      throw UsageException.ofFlag(command, "a file name", e.getMessage());
    }
  }

  private String stats() {
    return last.map(
                turn ->
                    GenerateCommand.Timings.of(engine.loadSeconds(), turn.result()).line() + "; ")
            .orElse("")
        + tokensInUse
        + " of "
        + engine.contextLength()
        + " tokens of context in use, "
        + conversation.turns()
        + " messages";
  }

  /** A question that gets no answer is taken back: the conversation is as before. */
  private void answer(String line) {
    Conversation before = conversation.copy();
    try {
      conversation.add(Message.user(line));
      converse();
    } catch (EngineException e) {
      conversation.become(before);
      throw e.getCause() == null && engine.isUsable()
          ? new UsageException(e.getMessage() + "; or /reset")
          : e;
    } catch (Throwable e) {
      conversation.become(before);
      throw e;
    }
    explain(last.orElseThrow().result().finish());
  }

  /** An answer; where it calls tools, what they answer and what the model makes of that. */
  private void converse() {
    Tools offered = tools;
    while (true) {
      Tools now = offered;
      Message message = NotNumbers.explained(engine, () -> ask(now));
      conversation.add(message);
      OutputMessage said = lastMessage;
      if (said.calls().isEmpty() || !said.calls().getLast().whole()) {
        return;
      }
      List<Message> results =
          run.answered(said.calls())
              .orElseThrow(
                  () -> new UsageException("a call of a tool has no answer: the input has ended"));
      results.forEach(conversation::add);
      offered = offered.afterCalls();
    }
  }

  private Message ask(Tools offered) {
    Prompt prompt = dialogue.render(conversation.messages());
    int[] ids = engine.tokenizer().encode(prompt);
    GenerateRequest request =
        GenerateRequest.of(ids)
            .withSampling(sampling)
            .withMaxTokens(options.maxTokens())
            .withStop(stops)
            .withIgnoreEos(ignoreEos);
    Optional<Constraint> constraint =
        Constraint.of(
            form,
            dialogue.format(),
            offered.callable(),
            offered.choice(),
            offered.several(),
            dialogue.opening(prompt));
    request = constraint.map(request::withConstraint).orElse(request);
    Answer answer = answer(offered, prompt);
    Generation generation = engine.generate(request);
    GenerationResult result;
    try (Interrupt _ = new Interrupt(generation::cancel)) {
      result = answer.follow(generation);
    } catch (RuntimeException e) {
      if (!answer.text().isEmpty()) {
        context.out().printNow("\n"); // what is said about it begins a line
      }
      throw e;
    }
    tokensInUse = ids.length + result.tokens().size();
    context.out().printNow("\n");
    last = Optional.of(new Turn(request, result));
    lastMessage = answer.message();
    return offered.isEmpty()
        ? Message.assistant(result.text())
        : lastMessage.withoutCutCall().message();
  }

  private Answer answer(Tools offered, Prompt prompt) {
    ReasoningFilter filter = new ReasoningFilter(options.reasoning(), prompt);
    return offered.isEmpty()
        ? new Answer(context, filter, false)
        : new Answer(
            context,
            filter,
            Optional.of(
                dialogue
                    .format()
                    .parser(
                        engine.tokenizer(),
                        prompt,
                        offered.callable(),
                        OutputFormat.calls(conversation.messages()))),
            options.reasoning() == ReasoningFilter.Mode.HIDE,
            false);
  }

  private void explain(FinishReason finish) {
    switch (finish) {
      case CANCELLED -> context.err().println("(stopped)");
      case LENGTH ->
          context
              .err()
              .println(
                  "(cut at "
                      + (tokensInUse >= engine.contextLength()
                          ? "the end of the context; /reset starts anew"
                          : "-n " + options.maxTokens())
                      + ")");
      case STOP, TIMEOUT -> {}
    }
  }
}
