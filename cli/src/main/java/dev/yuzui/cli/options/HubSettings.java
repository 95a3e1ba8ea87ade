package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Interrupt;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.hub.Hub;
import dev.yuzui.hub.HubName;
import dev.yuzui.hub.HubOptions;
import dev.yuzui.hub.HubSite;
import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Which hub, where it is, and which revision of a model; the rest is the environment's. */
public final class HubSettings {
  @Option(
      names = "--hub",
      paramLabel = "NAME",
      converter = Site.class,
      description = "huggingface or modelscope (default: huggingface).")
  private Optional<HubSite> site = Optional.empty();

  @Option(
      names = "--hf-endpoint",
      paramLabel = "URL",
      description = "A mirror of the hub (default: HF_ENDPOINT, else the hub itself).")
  private Optional<String> endpoint = Optional.empty();

  @Option(
      names = "--revision",
      paramLabel = "REV",
      description = "Branch, tag or commit of the model (default: the hub's main branch).")
  private Optional<String> revision = Optional.empty();

  @Option(
      names = "--offline",
      description = "Ask no hub: take what its cache has (default: as HF_HUB_OFFLINE says).")
  private boolean offline;

  /** {@code huggingface}, {@code modelscope}. */
  static final class Site implements ITypeConverter<HubSite> {
    @Override
    public HubSite convert(String value) {
      return switch (value) {
        case "huggingface", "hf" -> HubSite.HUGGING_FACE;
        case "modelscope", "ms" -> HubSite.MODELSCOPE;
        default ->
            throw new TypeConversionException(
                "expected huggingface or modelscope, found '" + value + "'");
      };
    }
  }

  /** What these say means nothing without a model's name; {@code --offline} is true anyway. */
  void requireNone() {
    String given =
        site.isPresent()
            ? "--hub"
            : endpoint.isPresent() ? "--hf-endpoint" : revision.isPresent() ? "--revision" : "";
    if (!given.isEmpty()) {
      throw UsageException.ofFlag(given, "-hf beside it", "none");
    }
  }

  public HubOptions options(Context context) {
    HubEnvironment environment = HubEnvironment.of(context.surroundings());
    HubSite from = site.orElse(HubSite.HUGGING_FACE);
    HubOptions options =
        HubOptions.of(from, environment.cache()).withOffline(offline || environment.offline());
    Optional<URI> address =
        endpoint
            .map(text -> HubEnvironment.address("--hf-endpoint", text))
            .or(() -> environment.endpoint(from));
    if (address.isPresent()) {
      options = options.withEndpoint(address.get());
    }
    if (revision.isPresent()) {
      options = options.withRevision(revision.get());
    }
    if (!options.offline()) {
      HubOptions online = options;
      options = environment.token(from).map(online::withToken).orElse(online);
      HubOptions own = options;
      options = environment.proxy(own.endpoint()).map(own::withProxy).orElse(own);
    }
    return options;
  }

  /** Fetches what is missing of a model, and says on stderr how it goes; Ctrl-C ends it. */
  public Path pull(Context context, HubName name) {
    Hub hub = new Hub(options(context));
    AtomicBoolean interrupted = new AtomicBoolean();
    try (PullProgress progress = new PullProgress(context, name, System::nanoTime);
        Interrupt _ = new Interrupt(() -> interrupted.set(true))) {
      return hub.pull(name, progress, interrupted::get);
    }
  }

  /** What {@link #pull} would take. */
  public Hub.Plan plan(Context context, HubName name) {
    AtomicBoolean interrupted = new AtomicBoolean();
    try (PullProgress progress = new PullProgress(context, name, System::nanoTime);
        Interrupt _ = new Interrupt(() -> interrupted.set(true))) {
      return new Hub(options(context)).plan(name, progress, interrupted::get);
    }
  }
}
