package dev.yuzui.cli.inspect;

import dev.yuzui.cli.options.EmbeddedModel;
import dev.yuzui.cli.options.HubModels;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.MetadataOptions;
import dev.yuzui.cli.options.ModelPath;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "tokenize",
    description =
        "Turns text into token ids, or back. <｜User｜> and the like are control tokens in the text.",
    footer = {"", "Example: yuzui tokenize -p \"Hello\" --json"})
public final class TokenizeCommand implements Callable<Integer> {
  private final Context context;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description =
          "GGUF, model folder or folder of a tokenizer.json (default: the embedded demo).")
  private Optional<Path> model = Optional.empty();

  @Mixin private HubModels hubModels;
  @Mixin private MetadataOptions metadata;
  @Mixin private Input input;

  @Option(names = "--no-bos", description = "Leave out the token that the model begins texts with.")
  private boolean noBos;

  @Option(names = "--raw", description = "Take a file to the last newline, as generate --raw does.")
  private boolean raw;

  @Option(names = "--decode", description = "The text is ids such as 1,2,3: print what they spell.")
  private boolean decode;

  @Option(
      names = "--json",
      description = "Print a JSON array of ids (with --decode: a JSON string).")
  private boolean json;

  public TokenizeCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (decode && noBos) {
      throw new UsageException("--decode and --no-bos: expected one of them, found both");
    }
    String text = raw ? input.rawText(context) : input.text(context);
    Path path =
        hubModels
            .one(context, model.isPresent())
            .or(() -> model.map(typed -> ModelPath.resolved(context, typed)))
            .orElseGet(() -> EmbeddedModel.path(context.surroundings()));
    try (Tokenizer tokenizer = Tokenizer.of(vocabulary(path))) {
      if (decode) {
        printText(tokenizer, text);
      } else {
        printIds(tokenizer, tokenizer.encode(text, !noBos));
      }
    }
    return ExitCode.DONE;
  }

  private VocabularySource vocabulary(Path path) {
    VocabularySource source = Checkpoints.vocabulary(path, metadata.overrides(), _ -> {});
    source.remarks().forEach(context.err()::println);
    return source;
  }

  private void printText(Tokenizer tokenizer, String list) {
    int[] ids =
        list.isBlank()
            ? new int[0]
            : Ranges.TokenIds.parse(list)
                .orElseThrow(
                    () ->
                        UsageException.ofFlag(
                            "--decode",
                            "token ids such as 1,2,3",
                            "'" + Texts.shorten(list.strip()) + "'"));
    for (int id : ids) {
      if (id >= tokenizer.size()) {
        throw UsageException.ofFlag(
            "--decode", "ids below the vocabulary's " + tokenizer.size(), String.valueOf(id));
      }
    }
    String text = tokenizer.decode(ids, false);
    context.out().println(json ? Json.compact(text) : text);
  }

  private void printIds(Tokenizer tokenizer, int[] ids) {
    if (json) {
      context.out().println(Json.compact(ids));
      return;
    }
    for (int id : ids) {
      String text = new String(tokenizer.bytes(id), StandardCharsets.UTF_8);
      String shown = text.isEmpty() ? tokenizer.piece(id) : Json.compact(text);
      context.out().println(String.format("%8d  %s", id, shown));
    }
  }
}
