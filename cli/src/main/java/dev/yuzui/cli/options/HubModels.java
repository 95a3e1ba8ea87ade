package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.hub.HubName;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code -hf}: models by their names on a hub, in place of {@code -m}. */
public final class HubModels {
  @Option(
      names = {"-hf", "-hfr", "--hf-repo"},
      paramLabel = "ORG/NAME[:QUANT]",
      split = ",",
      description =
          "Take the model from the Hugging Face hub's cache, and what is missing from the hub, as"
              + " 'yuzui pull' does.")
  private List<String> names = List.of();

  @Mixin private HubSettings settings;

  /** What was pulled for {@link #names}, which commands may ask for more than once. */
  private Optional<List<Path>> pulled = Optional.empty();

  boolean named() {
    return !names.isEmpty();
  }

  /**
   * @param file whether {@code -m} was given too, which is one too many
   */
  public Optional<Path> one(Context context, boolean file) {
    if (names.size() > 1) {
      throw UsageException.ofFlag("-hf", "one model", names.size() + " of them");
    }
    return all(context, file).stream().findFirst();
  }

  List<Path> all(Context context, boolean file) {
    if (named() && file) {
      throw new UsageException("-m and -hf: expected one of them, found both");
    }
    if (!named()) {
      settings.requireNone();
    }
    if (pulled.isEmpty()) {
      List<HubName> parsed = names.stream().map(HubName::parse).toList();
      pulled = Optional.of(parsed.stream().map(name -> settings.pull(context, name)).toList());
    }
    return pulled.get();
  }
}
