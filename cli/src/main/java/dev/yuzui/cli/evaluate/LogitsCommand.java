package dev.yuzui.cli.evaluate;

import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LogitsSink;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.io.Texts;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "logits",
    description =
        "Writes the logits of every position: little-endian float32, one row of vocabulary size per"
            + " token.",
    footer = {"", "Example: yuzui logits --tokens 1,2,3 --out logits.f32"})
public final class LogitsCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;
  @Mixin private Input input;

  @Option(
      names = "--tokens",
      paramLabel = "IDS",
      converter = Ranges.TokenIds.class,
      description = "Token ids, such as 1,2,3, instead of a text.")
  private Optional<int[]> tokens = Optional.empty();

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "Where to write; a file that has something in it is refused.")
  private Path out;

  @Option(
      names = "--mtp",
      description =
          "Of the MTP layer instead: row i, from token i's state and token i+1, predicts token i+2;"
              + " one row fewer.")
  private boolean mtp;

  public LogitsCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (tokens.isPresent() == input.given()) {
      throw new UsageException(
          "expected either --tokens or a text (-p, -f), found "
              + (input.given() ? "both" : "neither"));
    }
    requireNew();
    RuntimeOptions options =
        distributionOptions.applied(context, modelOptions.runtimeOptions(context));
    try (Engine engine = Loading.open(context, options)) {
      int[] ids = tokens.orElseGet(() -> engine.tokenizer().encode(input.text(context), true));
      int vocab = engine.config().vocabSize();
      try (FileChannel file =
          FileChannel.open(
              out,
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE,
              StandardOpenOption.TRUNCATE_EXISTING)) {
        LogitsSink sink = rows(file, vocab);
        if (mtp) {
          engine.mtpLogits(ids, sink);
        } else {
          engine.logits(ids, sink);
        }
      } catch (IOException e) {
        throw new FailedException("--out " + out + ": cannot be written: " + Texts.reason(e));
      }
      context
          .err()
          .println(
              (mtp ? ids.length - 1 : ids.length) + " rows of " + vocab + " float32 in " + out);
    }
    return ExitCode.DONE;
  }

  /** Rows of numbers say not that they are; so nothing is taken for an earlier run's. */
  private void requireNew() {
    try {
      if (Files.isRegularFile(out) && Files.size(out) > 0) {
        throw UsageException.ofFlag(
            "--out", "a new file", out + ", which exists; delete it or give another name");
      }
    } catch (IOException e) {
      throw UsageException.ofFlag("--out", "a file that can be looked at", out + ": " + e);
    }
  }

  private LogitsSink rows(WritableByteChannel file, int vocab) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(4 * vocab).order(ByteOrder.LITTLE_ENDIAN);
    return (_, row) -> {
      bytes.clear();
      bytes.asFloatBuffer().put(row);
      try {
        while (bytes.hasRemaining()) {
          file.write(bytes);
        }
      } catch (IOException e) {
        throw new FailedException("--out " + out + ": cannot be written: " + Texts.reason(e));
      }
    };
  }
}
