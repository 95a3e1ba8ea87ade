package dev.yuzui.cli.convert;

import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.convert.ImportanceFile;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.ImportanceCounter;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.ImportanceMatrix;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "imatrix",
    description = {
      "Measures over a text how large the numbers are that each column of a model's weights is"
          + " multiplied by, for 'convert --imatrix' and llama-quantize.",
      "The text is read in chunks of --chunk tokens, each a sequence that begins with BOS. Steps run"
          + " op by op, and every product's input is copied to the host: slower than reading."
    },
    footer = {"", "Example: yuzui imatrix -m model.gguf -f text.txt -o imatrix.gguf"})
public final class ImatrixCommand implements Callable<Integer> {
  /** An expert with fewer rows than this says little about its columns. */
  private static final int FEW = 32;

  private static final int SHOWN = 5;

  private final Context context;

  @Mixin private ModelOptions modelOptions;

  @Option(
      names = {"-f", "--file"},
      paramLabel = "FILE",
      required = true,
      description = "The text; - is standard input.")
  private String file;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "imatrix.gguf",
      description = "The file to write (default: ${DEFAULT-VALUE}).")
  private Path output;

  @Option(
      names = "--chunk",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "512",
      description = "Tokens of a chunk (default: ${DEFAULT-VALUE}).")
  private int chunk;

  @Option(
      names = "--chunks",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Stop after this many chunks (default: all).")
  private Optional<Integer> limit = Optional.empty();

  @Option(names = "--force", description = "Replace the file if it is there.")
  private boolean force;

  public ImatrixCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (Files.exists(output) && !force) {
      throw UsageException.ofFlag(
          "-o", "a file that is not there yet", output + "; --force replaces it");
    }
    RuntimeOptions options = modelOptions.runtimeOptions(context);
    int asked = modelOptions.contextSize().orElse(0);
    if (asked == 0) {
      options = options.withContextLength(chunk);
    } else if (asked < chunk) {
      throw UsageException.ofFlag(
          "--chunk", "at most the " + asked + " tokens of -c", chunk + "; leave -c out");
    }
    String text = Input.withoutLastNewline(Input.read(context, "-f", file));
    Checkpoint checkpoint = Loading.checkpoint(context, options);
    try (ImportanceCounter counter =
        ImportanceCounter.open(checkpoint, options, LoadProgress.none())) {
      read(counter, text);
      String name = file.equals("-") ? "standard input" : Path.of(file).getFileName().toString();
      ImportanceMatrix matrix = counter.matrix(name, chunk);
      warn(matrix);
      ImportanceFile.write(output, matrix);
      context
          .err()
          .println(matrix.entries().size() + " tensors over " + matrix.chunkCount() + " chunks");
      context.out().println(output.toString());
    }
    return ExitCode.DONE;
  }

  private void read(ImportanceCounter counter, String text) {
    Engine engine = counter.engine();
    int[] tokens = engine.tokenizer().encode(text, false, false);
    int front = engine.tokenizer().bos().isPresent() ? 1 : 0;
    int own = chunk - front;
    int chunks = Math.min(own < 1 ? 0 : tokens.length / own, limit.orElse(Integer.MAX_VALUE));
    if (chunks == 0) {
      throw UsageException.ofFlag(
          "-f " + file,
          "at least one chunk of " + own + " tokens",
          tokens.length + "; use a smaller --chunk");
    }
    boolean terminal = context.surroundings().errIsTerminal();
    long start = System.nanoTime();
    for (int c = 0; c < chunks; c++) {
      int[] part = new int[chunk];
      if (front == 1) {
        part[0] = engine.tokenizer().bos().orElseThrow();
      }
      System.arraycopy(tokens, c * own, part, front, own);
      counter.read(part, _ -> {});
      double seconds = (System.nanoTime() - start) * 1e-9;
      String line =
          String.format(
              Locale.ROOT,
              "chunk %d of %d, %.0f s left",
              c + 1,
              chunks,
              seconds / (c + 1) * (chunks - c - 1));
      context.err().print((terminal ? "\r" + line + "  " : line + "\n"));
    }
    context.err().print(terminal ? "\n" : "");
  }

  /** Experts that a text hardly visits are quantised by hardly anything. */
  private void warn(ImportanceMatrix matrix) {
    List<String> few = new ArrayList<>();
    int all = 0;
    for (var entry : matrix.entries().entrySet()) {
      float[] counts = entry.getValue().counts();
      if (!entry.getKey().endsWith("ffn_gate_exps.weight")) {
        continue;
      }
      all += counts.length;
      for (int e = 0; e < counts.length; e++) {
        if (counts[e] < FEW) {
          String layer = entry.getKey().replaceFirst("\\.ffn_.*", "");
          few.add(layer + " expert " + e + " (" + (int) counts[e] + ")");
        }
      }
    }
    if (!few.isEmpty()) {
      context
          .err()
          .println(
              few.size()
                  + " of "
                  + all
                  + " experts were given fewer than "
                  + FEW
                  + " tokens, and their importance is little more than chance: "
                  + String.join(", ", few.subList(0, Math.min(SHOWN, few.size())))
                  + (few.size() > SHOWN ? ", ..." : "")
                  + "; a longer or more varied text reaches them");
    }
  }
}
