package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.weights.MetadataOverrides;
import java.util.List;
import picocli.CommandLine.Option;

/** What a GGUF's metadata should say; shared by all commands that read one. */
public final class MetadataOptions {
  private static final String FLAG = "--override-kv";

  @Option(
      names = FLAG,
      paramLabel = "KEY=TYPE:VALUE",
      description =
          "Read a GGUF's metadata as if it had this value; int, float, bool or str; repeatable, or"
              + " with commas: tokenizer.ggml.add_bos_token=bool:false.")
  private List<String> overrides = List.of();

  public MetadataOverrides overrides() {
    try {
      return MetadataOverrides.parse(overrides);
    } catch (IllegalArgumentException e) {
      throw new UsageException(FLAG + ": " + e.getMessage());
    }
  }
}
