package dev.yuzui.cli.generate;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.yuzui.cli.options.ChatOptions;
import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.FormOptions;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.PromptCacheOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.options.SamplingOptions;
import dev.yuzui.cli.options.SpeculationOptions;
import dev.yuzui.cli.options.ToolOptions;
import dev.yuzui.cli.options.Tools;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.DeviceLines;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Interrupt;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.NotNumbers;
import dev.yuzui.cli.shell.TextLines;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.DeviceLoad;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.io.Json;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "generate",
    description =
        "Writes what the model makes of a prompt to stdout, as it is made. Models with a chat"
            + " template get the prompt as a user's message, others continue it. Without a prompt, standard input is it.",
    footer = {
      "",
      "Example: yuzui generate -p \"Once upon a time\" -n 200 --temp 0.8 --seed 1",
      "Example: git log -1 | yuzui generate -m model.gguf -sys \"Put this in one sentence.\""
    })
public final class GenerateCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private Input input;
  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ChatOptions chatOptions;
  @Mixin private SamplingOptions samplingOptions;
  @Mixin private FormOptions formOptions;
  @Mixin private ToolOptions toolOptions;
  @Mixin private SpeculationOptions speculationOptions;
  @Mixin private PromptCacheOptions promptCacheOptions;

  @Option(
      names = {"--raw", "-no-cnv", "--no-conversation"},
      description =
          "Give the model the prompt as it is, to the last newline of its file, without a chat"
              + " template; <｜User｜> and the like are control tokens in it, and letters otherwise.")
  private boolean raw;

  @Option(
      names = "--tokens",
      paramLabel = "IDS",
      converter = Ranges.TokenIds.class,
      description =
          "Token ids, such as 1,2,3, instead of a text; a model without a tokenizer answers with ids"
              + " too.")
  private Optional<int[]> tokens = Optional.empty();

  @Option(
      names = {"-N", "--answers"},
      paramLabel = "N",
      converter = Ranges.Sequences.class,
      description =
          "Answers to the one prompt, made together; --seed is the first one's, the others count up"
              + " (default: 1).")
  private int answers = 1;

  @Option(
      names = "--json",
      description = "Print one JSON object when done, instead of text; an array with -N.")
  private boolean json;

  @Option(names = "--show-timings", description = "Print what was measured to stderr.")
  private boolean showTimings;

  public GenerateCommand(Context context) {
    this.context = context;
  }

  /**
   * What {@code --json} prints.
   *
   * @param reasoning what was thought, where tools may be called: it is never in the text then
   * @param toolCalls as the OpenAI interface has them
   * @param devices what each did since the start, where there are several
   */
  record Report(
      String text,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) Optional<String> reasoning,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Map<String, Object>> toolCalls,
      List<Integer> tokens,
      String finishReason,
      Timings timings,
      Speculative speculative,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<DeviceLoad> devices) {}

  /** Guesses checked, and how many of them were right; see {@link SpeculationOptions}. */
  record Speculative(int drafts, int draftTokens, int acceptedTokens, double acceptanceRate) {
    public static Speculative of(GenerationResult result) {
      GenerationResult.Speculative s = result.speculative();
      return new Speculative(s.drafts(), s.draftTokens(), s.acceptedTokens(), s.acceptanceRate());
    }

    public String line() {
      return String.format(
          Locale.ROOT,
          "%d of %d drafted tokens accepted (%.2f) in %d steps",
          acceptedTokens,
          draftTokens,
          acceptanceRate,
          drafts);
    }
  }

  /**
   * @param cachedTokens of the prompt, found in the cache
   * @param promptTokens read by the model: those not found; and how many a second
   * @param predictedTokens made, the end token included; the rate leaves out the first, whose cost
   *     is the prompt's
   */
  public record Timings(
      double loadSeconds,
      int cachedTokens,
      int promptTokens,
      double promptPerSecond,
      int predictedTokens,
      double predictedPerSecond) {

    public static Timings of(double loadSeconds, GenerationResult result) {
      GenerationResult.Timings t = result.timings();
      return new Timings(
          loadSeconds,
          t.cachedTokens(),
          t.promptTokens(),
          t.promptPerSecond(),
          result.tokens().size(),
          t.predictedPerSecond());
    }

    public String line() {
      return String.format(
          Locale.ROOT,
          "load %.2f s; prompt %d tokens cached, %d read, %.1f a second; text %d tokens, %.1f a"
              + " second",
          loadSeconds,
          cachedTokens,
          promptTokens,
          promptPerSecond,
          predictedTokens,
          predictedPerSecond);
    }
  }

  @Override
  public Integer call() {
    samplingOptions.validate();
    chatOptions.validate();
    promptCacheOptions.validate();
    List<String> ofTemplate = new ArrayList<>(chatOptions.ofTemplate());
    ofTemplate.addAll(toolOptions.given());
    Tools tools = toolOptions.tools();
    Optional<GrammarSource> form = formOptions.source(context);
    if (tools.command().isPresent() && (answers > 1 || json)) {
      throw new UsageException(
          "--tool-command: expected one answer that is shown as it is made, found "
              + (json ? "--json" : "-N " + answers));
    }
    if (raw && !ofTemplate.isEmpty()) {
      throw new UsageException(
          "--raw: it leaves out the chat template, which "
              + String.join(", ", ofTemplate)
              + (ofTemplate.size() == 1 ? " needs" : " need"));
    }
    if (tokens.isPresent() && (input.given() || !ofTemplate.isEmpty())) {
      throw new UsageException(
          "--tokens: expected no "
              + (input.given()
                  ? "text beside it, found one"
                  : "chat template beside it, found " + String.join(", ", ofTemplate)));
    }
    String prompt = tokens.isPresent() ? "" : raw ? input.rawText(context) : input.text(context);
    RuntimeOptions options =
        distributionOptions
            .applied(context, modelOptions.runtimeOptions(context))
            .withSpeculation(speculationOptions.speculation());
    if (options.maxSequences() < answers && !modelOptions.limitsSequences()) {
      options = options.withMaxSequences(answers);
    }
    try (Engine engine = Loading.open(context, options)) {
      samplingOptions.validate(engine.config().vocabSize());
      Optional<ChatTemplate> template =
          raw || tokens.isPresent() ? Optional.empty() : template(engine, tools);
      List<Message> messages = new ArrayList<>();
      chatOptions.system().ifPresent(text -> messages.add(Message.system(text)));
      messages.add(Message.user(prompt));
      return NotNumbers.explained(
          engine, () -> generate(new Task(engine, template, messages, form), tools));
    }
  }

  /**
   * What is asked.
   *
   * @param messages the conversation, whose last turn is the prompt
   */
  private record Task(
      Engine engine,
      Optional<ChatTemplate> template,
      List<Message> messages,
      Optional<GrammarSource> form) {}

  private Optional<ChatTemplate> template(Engine engine, Tools tools) {
    Optional<ChatTemplate> template = chatOptions.template(context, engine);
    if (template.isEmpty() && !tools.isEmpty()) {
      throw new UsageException(
          "--tools: this model has no chat template to put them in; name one with --chat-template");
    }
    return template;
  }

  /**
   * An answer; where a program answers the calls in it, what the model makes of that, and so on.
   */
  private int generate(Task task, Tools offered) {
    TextLines lines = new TextLines(context.in());
    ToolRun run = new ToolRun(context, offered.command(), lines::next);
    Tools tools = offered;
    while (true) {
      Prompt prompt = tokens.isPresent() ? Prompt.template("") : render(task, tools);
      OutputFormat format = task.template().map(ChatTemplate::format).orElse(OutputFormat.PLAIN);
      GenerateRequest request =
          request(task.engine(), tokens.orElseGet(() -> ids(task.engine(), prompt)));
      Optional<Constraint> constraint =
          Constraint.of(
              task.form(),
              format,
              tools.callable(),
              tools.choice(),
              tools.several(),
              task.template().isEmpty()
                  ? OutputFormat.Opening.ANSWERING
                  : OutputFormat.opening(prompt));
      Made made =
          generate(
              task, tools, constraint.map(request::withConstraint).orElse(request), prompt, format);
      if (run.command().isEmpty() || made.exitCode() != ExitCode.DONE || !made.calls()) {
        return made.exitCode();
      }
      Optional<List<Message>> results = run.answered(made.message().calls());
      if (results.isEmpty()) {
        return made.exitCode();
      }
      task.messages().add(made.message().message());
      task.messages().addAll(results.get());
      tools = tools.afterCalls();
    }
  }

  /** The last answer. */
  private record Made(int exitCode, OutputMessage message) {
    boolean calls() {
      return !message.calls().isEmpty() && message.calls().getLast().whole();
    }
  }

  private GenerateRequest request(Engine engine, int[] ids) {
    return GenerateRequest.of(ids)
        .withSampling(
            samplingOptions.params(engine.checkpoint().generationDefaults(), engine::tokenizer))
        .withMaxTokens(chatOptions.maxTokens())
        .withStop(
            samplingOptions.stop().stream().map(text -> input.unescaped("--stop", text)).toList())
        .withIgnoreEos(samplingOptions.ignoreEos());
  }

  private Made generate(
      Task task, Tools tools, GenerateRequest request, Prompt prompt, OutputFormat format) {
    Engine engine = task.engine();
    List<Report> reports = new ArrayList<>();
    List<GenerationResult> results = new ArrayList<>();
    Optional<PromptCache> cache = promptCacheOptions.open(engine);
    OutputMessage last = OutputMessage.of(List.of());
    long start = System.nanoTime();
    List<Generation> generations = engine.generate(request, answers);
    try (Interrupt _ = new Interrupt(() -> generations.forEach(Generation::cancel))) {
      for (Generation generation : generations) {
        Answer answer = answer(task, tools, prompt, format);
        GenerationResult result = answer.follow(generation);
        results.add(result);
        Timings timings = Timings.of(engine.loadSeconds(), result);
        last = answer.message();
        boolean calls = result.finish() == FinishReason.STOP && !last.calls().isEmpty();
        String finish = calls ? "tool_calls" : result.finish().name().toLowerCase(Locale.ROOT);
        Speculative speculative = Speculative.of(result);
        reports.add(
            new Report(
                answer.text(),
                last.reasoning(),
                last.calls().stream().map(OutputMessage.Call::fields).toList(),
                result.tokens(),
                finish,
                timings,
                speculative,
                engine.deviceLoads()));
        if (!json) {
          context.out().printNow((engine.hasTokenizer() ? "" : joined(result.tokens())) + "\n");
        }
        if (last.calls().isEmpty()) {
          Ending.lines(
                  engine,
                  result,
                  answer.text(),
                  chatOptions.reasoning(),
                  request.maxTokens(),
                  modelOptions.verbose())
              .forEach(context.err()::println);
        }
        if (showTimings) {
          context.err().println(timings.line());
          if (speculative.drafts() > 0) {
            context.err().println(speculative.line());
          }
        }
      }
    }
    if (showTimings) {
      double seconds = (System.nanoTime() - start) * 1e-9;
      DeviceLines.summary(engine.deviceLoads(), seconds).forEach(context.err()::println);
    }
    if (json) {
      context.out().println(Json.compact(answers == 1 ? reports.getFirst() : reports));
      context.out().flush();
    }
    cache.ifPresent(c -> PromptCacheOptions.save(c, request, results.getFirst()));
    boolean cancelled =
        results.stream().anyMatch(result -> result.finish() == FinishReason.CANCELLED);
    return new Made(cancelled ? ExitCode.INTERRUPTED : ExitCode.DONE, last);
  }

  private Answer answer(Task task, Tools tools, Prompt prompt, OutputFormat format) {
    ReasoningFilter filter = new ReasoningFilter(chatOptions.reasoning(), prompt);
    return tools.isEmpty()
        ? new Answer(context, filter, json)
        : new Answer(
            context,
            filter,
            Optional.of(
                format.parser(
                    task.engine().tokenizer(),
                    prompt,
                    tools.callable(),
                    OutputFormat.calls(task.messages()))),
            chatOptions.reasoning() == ReasoningFilter.Mode.HIDE,
            json);
  }

  private Prompt render(Task task, Tools tools) {
    if (task.template().isEmpty()) {
      String prompt = task.messages().getLast().content().orElse("");
      return raw ? Prompt.template(prompt) : Prompt.literal(prompt);
    }
    return task.template().get().render(task.messages(), tools.shown(chatOptions.rendering()));
  }

  private static String joined(List<Integer> ids) {
    return ids.stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  private static int[] ids(Engine engine, Prompt prompt) {
    int[] ids = engine.tokenizer().encode(prompt);
    if (ids.length == 0) {
      throw new UsageException(
          "-p: expected a text, found an empty one, and this model has no BOS to start from");
    }
    return ids;
  }
}
