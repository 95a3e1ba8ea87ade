package dev.yuzui.cli.chat;

import dev.yuzui.cli.generate.ToolRun;
import dev.yuzui.cli.options.ChatOptions;
import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.FormOptions;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.PromptCacheOptions;
import dev.yuzui.cli.options.SamplingOptions;
import dev.yuzui.cli.options.SpeculationOptions;
import dev.yuzui.cli.options.ToolOptions;
import dev.yuzui.cli.options.Tools;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Failures;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.grammar.GrammarSource;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "chat",
    description = {
      "Talks with the model. Ctrl-C stops an answer, Ctrl-D ends the program, /help lists commands.",
      "A model without a chat template continues what you write: your line and its answer make one"
          + " paragraph."
    },
    footer = {"", "Example: yuzui chat -m model.gguf -sys \"Answer in one sentence.\""})
public final class ChatCommand implements Callable<Integer> {
  private final Context context;

  @Spec private CommandSpec spec;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ChatOptions chatOptions;
  @Mixin private SamplingOptions samplingOptions;
  @Mixin private FormOptions formOptions;
  @Mixin private ToolOptions toolOptions;
  @Mixin private SpeculationOptions speculationOptions;
  @Mixin private PromptCacheOptions promptCacheOptions;

  public ChatCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    samplingOptions.validate();
    chatOptions.validate();
    promptCacheOptions.validate();
    Tools tools = toolOptions.tools();
    Optional<GrammarSource> form = formOptions.source(context);
    RuntimeOptions options =
        distributionOptions
            .applied(context, modelOptions.runtimeOptions(context))
            .withSpeculation(speculationOptions.speculation());
    try (Engine engine = Loading.open(context, options)) {
      samplingOptions.validate(engine.config().vocabSize());
      Dialogue dialogue =
          chatOptions
              .template(context, engine)
              .<Dialogue>map(t -> new Dialogue.Templated(t, tools.shown(chatOptions.rendering())))
              .orElseGet(Dialogue.Plain::new);
      if (dialogue instanceof Dialogue.Plain && !tools.isEmpty()) {
        throw new UsageException(
            "--tools: this model has no chat template to put them in; name one with"
                + " --chat-template");
      }
      Optional<PromptCache> cache = promptCacheOptions.open(engine);
      try (ChatInput input = ChatInput.open(context)) {
        ChatSession chat =
            new ChatSession(
                context,
                engine,
                dialogue,
                chatOptions,
                samplingOptions,
                form,
                tools,
                new ToolRun(context, tools.command(), input::next),
                Failures.wantsStackTrace(spec.root().commandLine().getParseResult()));
        chat.run(input);
        cache.ifPresent(chat::save);
      }
    }
    return ExitCode.DONE;
  }
}
