package dev.yuzui.cli.serve;

import dev.yuzui.cli.options.ChatOptions;
import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.options.SamplingOptions;
import dev.yuzui.cli.options.SpeculationOptions;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.Interrupt;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.server.Server;
import dev.yuzui.server.ServerOptions;
import dev.yuzui.server.answer.ServiceOptions;
import dev.yuzui.server.http.HttpOptions;
import dev.yuzui.text.ReasoningFilter;
import java.io.UncheckedIOException;
import java.net.SocketException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntConsumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "serve",
    description = {
      "Answers over HTTP, in the interfaces of OpenAI (/v1/chat/completions, /v1/completions,"
          + " /v1/responses, /v1/models), Anthropic (/v1/messages) and ollama (/api/chat,"
          + " /api/generate), with a page to chat in at /. What a request does not say is as the"
          + " flags say.",
      "It runs "
          + ServeCommand.SEQUENCES
          + " sequences together unless --max-num-seqs says otherwise. Ctrl-C and SIGTERM let it"
          + " finish what it has begun."
    },
    footer = {
      "",
      "Example: yuzui serve -m model.gguf --port 8080",
      "Example: curl http://127.0.0.1:8080/v1/models"
    })
public final class ServeCommand implements Callable<Integer> {
  /** Sequences that run together where the user does not say. */
  static final int SEQUENCES = 8;

  /** For telling clients that the engine is lost. */
  private static final Duration TELLING = Duration.ofSeconds(2);

  private final Context context;

  @Mixin private HttpFlags http;

  @Option(
      names = {"-a", "--alias", "--served-model-name"},
      paramLabel = "NAME",
      description = "What the model is called in answers (default: its own name).")
  private Optional<String> alias = Optional.empty();

  @Option(
      names = "--max-queue",
      paramLabel = "N",
      converter = Ranges.Count.class,
      description =
          "Answers that may wait for a sequence; more are turned away with 429 (default: 64).")
  private int maxQueue = 64;

  @Option(
      names = "--request-timeout",
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "For an answer, waiting included (default: none).")
  private Optional<Duration> requestTimeout = Optional.empty();

  @Option(
      names = {"--sse-ping", "--sse-ping-interval"},
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "A stream in which nothing happens shows that it lives (default: 5s).")
  private Duration ping = Duration.ofSeconds(5);

  @Option(
      names = "--shutdown-timeout",
      paramLabel = "TIME",
      converter = Ranges.Time.class,
      description = "For what runs when the server is told to end (default: 30s).")
  private Duration grace = Duration.ofSeconds(30);

  @Option(
      names = "--reasoning-format",
      paramLabel = "auto|none",
      description =
          "What is thought is told apart, as reasoning_content (auto, the default), or left in the"
              + " text (none).")
  private ReasoningFormat reasoningFormat = ReasoningFormat.auto;

  @Option(
      names = {"--no-ui", "--no-webui"},
      description = "Without the page to chat in.")
  private boolean noPage;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ChatOptions chatOptions;
  @Mixin private SamplingOptions samplingOptions;
  @Mixin private SpeculationOptions speculationOptions;

  enum ReasoningFormat {
    auto,
    none
  }

  public ServeCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() throws InterruptedException {
    samplingOptions.validate();
    chatOptions.validate();
    if (chatOptions.reasoning() != ReasoningFilter.Mode.SHOW) {
      throw new UsageException("--reasoning: expected --reasoning-format in its place");
    }
    HttpOptions listening = http.options();
    RuntimeOptions options =
        distributionOptions
            .applied(context, modelOptions.runtimeOptions(context))
            .withSpeculation(speculationOptions.speculation());
    if (!modelOptions.limitsSequences()) {
      options = options.withMaxSequences(SEQUENCES);
    }
    CompletableFuture<Integer> ended = new CompletableFuture<>();
    AtomicBoolean serving = new AtomicBoolean();
    IntConsumer end =
        code -> {
          if (!serving.get()) {
            Runtime.getRuntime().halt(code); // loading cannot be ended, and nobody is answered
          }
          ended.complete(code);
        };
    try (Interrupt _ =
            new Interrupt(
                Map.of(
                    "INT", () -> end.accept(ExitCode.INTERRUPTED),
                    "TERM", () -> end.accept(ExitCode.DONE)));
        Server server = listen(listening);
        Engine engine = Loading.open(context, options)) {
      server.serve(engine, model(engine));
      serving.set(true);
      context.err().println("listening on " + address(listening, server.port()));
      CompletableFuture<Void> _ = server.lost().thenAccept(ended::completeExceptionally);
      return drained(server, ended);
    }
  }

  /** When it is over: told to end, or without an engine. */
  private int drained(Server server, CompletableFuture<Integer> ended) throws InterruptedException {
    try {
      int code = ended.get();
      if (!server.drain(grace)) {
        context
            .err()
            .println("--shutdown-timeout: some answers were not done in time and are cut off");
      }
      return code;
    } catch (ExecutionException e) {
      server.drain(TELLING); // those who are answered hear of it first
      throw new FailedException(Flags.in(String.valueOf(e.getCause().getMessage())));
    }
  }

  private Server listen(HttpOptions listening) {
    ServiceOptions service =
        new ServiceOptions(maxQueue, requestTimeout, ping, Version.number(), Flags::in);
    try {
      return Server.open(
          new ServerOptions(listening, service, !noPage), line -> context.err().println(line));
    } catch (UncheckedIOException e) {
      boolean address = e.getCause().getCause() instanceof SocketException;
      if (http.isTls() && !address) {
        throw new UsageException(
            "--tls-cert, --tls-key: expected a certificate and its private key in PEM, found "
                + e.getCause().getMessage());
      }
      throw new FailedException(
          "--host, --port: expected an address that is free, found "
              + listening.host()
              + ":"
              + listening.port()
              + ": "
              + e.getCause().getMessage());
    }
  }

  private String address(HttpOptions listening, int port) {
    String host = listening.host().contains(":") ? "[" + listening.host() + "]" : listening.host();
    return (http.isTls() ? "https://" : "http://") + host + ":" + port;
  }

  private ServedModel model(Engine engine) {
    ServedModel model =
        ServedModel.of(engine, chatOptions.template(context, engine))
            .with(
                chatOptions.rendering(),
                false,
                chatOptions.system(),
                reasoningFormat == ReasoningFormat.auto
                    ? ReasoningFilter.Mode.STDERR
                    : ReasoningFilter.Mode.SHOW)
            .with(
                samplingOptions.params(engine.checkpoint().generationDefaults(), engine::tokenizer),
                chatOptions.maxTokens(),
                samplingOptions.stop(),
                samplingOptions.ignoreEos())
            .continuing();
    return alias.map(model::withName).orElse(model);
  }
}
