package dev.yuzui.cli.evaluate;

import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.NotNumbers;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.io.Json;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "perplexity",
    description = {
      "Measures how well the model predicts a text; lower is better.",
      "The text's tokens, without BOS, are cut into chunks; an incomplete last one is dropped. Each"
          + " chunk is read on its own, BOS first, and all its tokens are scored."
    },
    footer = {"", "Example: yuzui perplexity -f text.txt"})
public final class PerplexityCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;

  @Option(
      names = {"-f", "--file"},
      paramLabel = "FILE",
      required = true,
      description =
          "The text; - is standard input. One newline at its end is the editor's, no part of it.")
  private String file;

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

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  public PerplexityCommand(Context context) {
    this.context = context;
  }

  /**
   * @param perplexity exp of the mean negative log-likelihood per token
   * @param standardError of the perplexity, to first order: perplexity · standard error of the mean
   */
  record Result(double perplexity, double standardError, double nll, int tokens, int chunks) {}

  @Override
  public Integer call() {
    RuntimeOptions options =
        distributionOptions.applied(context, modelOptions.runtimeOptions(context));
    int asked = modelOptions.contextSize().orElse(0);
    if (asked == 0) {
      options = options.withContextLength(chunk);
    } else if (asked < chunk) {
      throw UsageException.ofFlag(
          "--chunk", "at most the " + asked + " tokens of -c", chunk + "; leave -c out");
    }
    String text = Input.withoutLastNewline(Input.read(context, "-f", file));
    try (Engine engine = Loading.open(context, options)) {
      Result result = measure(engine, engine.tokenizer().encode(text, false, false));
      context.out().println(json ? Json.compact(result) : line(result));
    }
    return ExitCode.DONE;
  }

  private Result measure(Engine engine, int[] tokens) {
    int chunks = Math.min(tokens.length / chunk, limit.orElse(Integer.MAX_VALUE));
    if (chunks == 0) {
      throw UsageException.ofFlag(
          "-f " + file,
          "at least one chunk of " + chunk + " tokens",
          tokens.length + "; use a smaller --chunk");
    }
    int bos =
        engine
            .tokenizer()
            .bos()
            .orElseThrow(
                () ->
                    new UsageException(
                        "-m: perplexity begins each chunk with BOS, and this vocabulary has none"));
    Scores scores = new Scores();
    for (int c = 0; c < chunks; c++) {
      int[] scored = Arrays.copyOfRange(tokens, c * chunk, (c + 1) * chunk);
      int[] read = new int[chunk];
      read[0] = bos;
      System.arraycopy(scored, 0, read, 1, chunk - 1);
      engine.logits(
          read, (position, row) -> scores.add(negativeLogLikelihood(row, scored[position])));
      context
          .err()
          .print(
              (context.surroundings().errIsTerminal() ? "\r" : "")
                  + progress(c + 1, chunks, scores.result(c + 1)));
      context.err().print(context.surroundings().errIsTerminal() && c + 1 < chunks ? "" : "\n");
    }
    Result result = scores.result(chunks);
    if (!Double.isFinite(result.nll())) {
      throw NotNumbers.failure(engine, "the logits are not numbers");
    }
    return result;
  }

  /** log Σ exp(x) − x[token], in double. */
  static double negativeLogLikelihood(float[] logits, int token) {
    float max = Float.NEGATIVE_INFINITY;
    for (float x : logits) {
      max = Math.max(max, x);
    }
    double sum = 0;
    for (float x : logits) {
      sum += Math.exp(x - max);
    }
    return max + Math.log(sum) - logits[token];
  }

  /** Mean and variance of the tokens' losses, by Welford's recurrence. */
  static final class Scores {
    private int n;
    private double mean;
    private double squares;

    void add(double nll) {
      n++;
      double off = nll - mean;
      mean += off / n;
      squares += off * (nll - mean);
    }

    Result result(int chunks) {
      double perplexity = Math.exp(mean);
      double error = n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0;
      return new Result(perplexity, perplexity * error, mean, n, chunks);
    }
  }

  private static String progress(int done, int of, Result so) {
    return String.format(Locale.ROOT, "chunk %d of %d: perplexity %.4f", done, of, so.perplexity());
  }

  private static String line(Result r) {
    return String.format(
        Locale.ROOT,
        "perplexity %.4f ± %.4f (%d tokens in %d chunks, %.5f nats a token)",
        r.perplexity(),
        r.standardError(),
        r.tokens(),
        r.chunks(),
        r.nll());
  }
}
