package dev.yuzui.cli.bench;

import dev.yuzui.cli.options.ModelSources;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.grammar.GrammarCompiler;
import dev.yuzui.grammar.GrammarVocabulary;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/** Instead of a model's speed, what masks of grammars cost. */
final class GrammarOptions {
  /** What means something with {@code --grammar}. */
  private static final List<String> FLAGS =
      List.of("--grammar", "--model", "--synthetic", "--output", "--override-kv");

  /** Schemas that are measured once before. */
  private static final int WARM_UP = 200;

  @Option(
      names = "--grammar",
      paramLabel = "FILE",
      description =
          "Instead of speed, measure the masks that JSON Schemas make of the vocabulary: a JSONL"
              + " file, plain or .gz, a line {\"name\", \"schema\", \"tests\": [{\"valid\","
              + " \"data\"}]} each. -m may be the folder of a tokenizer.json; -o md or jsonl.")
  private Optional<Path> file = Optional.empty();

  boolean given() {
    return file.isPresent();
  }

  int run(Context context, ModelSources sources, BenchFormat format, ParseResult typed) {
    for (var option : typed.matchedOptions()) {
      if (!FLAGS.contains(option.longestName()) && !FLAGS.contains(option.shortestName())) {
        throw new UsageException(
            option.longestName() + " and --grammar: expected one of them, found both");
      }
    }
    if (format != BenchFormat.MD && format != BenchFormat.JSONL) {
      throw UsageException.ofFlag("-o", "md or jsonl beside --grammar", "another");
    }
    Path path = file.orElseThrow();
    List<GrammarCase> cases = GrammarCase.read(path);
    VocabularySource source = sources.vocabulary(context);
    source.remarks().forEach(context.err()::println);
    try (Tokenizer tokenizer = Tokenizer.of(source)) {
      GrammarVocabulary vocabulary = GrammarVocabulary.of(tokenizer);
      warmUp(cases, vocabulary, tokenizer);
      GrammarCompiler compiler = new GrammarCompiler(vocabulary);
      GrammarReport report = new GrammarReport(context.out(), format == BenchFormat.JSONL);
      for (GrammarCase each : cases) {
        GrammarMeasurement measurement = new GrammarMeasurement(compiler, tokenizer);
        report.row(measurement.measure(each), measurement.masks());
      }
      report.end(tokenizer.size());
    }
    return ExitCode.DONE;
  }

  /** So that the JVM has compiled what is measured; what is learnt of terminals is thrown away. */
  private static void warmUp(
      List<GrammarCase> cases, GrammarVocabulary vocabulary, Tokenizer tokenizer) {
    GrammarCompiler compiler = new GrammarCompiler(vocabulary);
    cases.stream()
        .limit(WARM_UP)
        .forEach(each -> new GrammarMeasurement(compiler, tokenizer).measure(each));
  }
}
