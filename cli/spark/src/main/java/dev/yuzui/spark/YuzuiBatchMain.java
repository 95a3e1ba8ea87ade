package dev.yuzui.spark;

import dev.yuzui.batch.BatchException;
import dev.yuzui.spark.YuzuiBatchConfig.Source;
import dev.yuzui.weights.WeightException;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.StructType;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What {@code spark-submit} runs: files of requests, answered into a folder of files. */
@Command(
    name = "yuzui-spark",
    mixinStandardHelpOptions = true,
    usageHelpAutoWidth = false,
    description = {
      "Answers the requests in the files of a folder into the files of another, micro-batch by"
          + " micro-batch. Ended or killed at any moment, the same command with --resume goes on"
          + " behind the last micro-batch that was committed; another model or other settings are"
          + " refused."
    })
public final class YuzuiBatchMain implements Callable<Integer> {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  /** What yuzui batch takes for a request, too. */
  private static final String NOT_BLANK = "[^ \\t\\r]";

  enum Format {
    JSONL,
    PARQUET
  }

  private final Asking asking;

  @Option(
      names = "--in",
      paramLabel = "FOLDER",
      required = true,
      description =
          "Files of requests: of jsonl a line each, as yuzui batch has them; of parquet a row"
              + " each.")
  private String in = "";

  @Option(names = "--out", paramLabel = "FOLDER", required = true, description = "Of the answers.")
  private String out = "";

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "Of --in and --out: jsonl (the default) or parquet.")
  private Format format = Format.JSONL;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      required = true,
      description = "A GGUF file or Hugging Face folder, under this path on every host.")
  private String model = "";

  @Option(
      names = "--resume",
      description = "Go on with --out, if it is there; without this flag it must not be.")
  private boolean resume;

  @Option(
      names = "--source",
      paramLabel = "SOURCE",
      description =
          "What the column of requests in a parquet file is: prompt (the default), messages or"
              + " body.")
  private Optional<Source> source = Optional.empty();

  @Option(
      names = "--column",
      paramLabel = "NAME",
      defaultValue = "",
      description = "The column of requests in a parquet file (default: prompt, messages or body).")
  private String column = "";

  @Option(
      names = "--id",
      paramLabel = "NAME",
      defaultValue = "",
      description =
          "The column of a parquet file that tells requests apart and seeds those that name no seed"
              + " (of jsonl it is custom_id).")
  private String id = "";

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      defaultValue = "-1",
      description = "Of an answer at most, where a request does not say (default: up to -c).")
  private int maxTokens;

  @Option(
      names = "--temp",
      paramLabel = "T",
      defaultValue = "0",
      description = "Temperature, where a request does not say (default: ${DEFAULT-VALUE}).")
  private double temperature;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      defaultValue = "",
      description = "The first message of conversations without one.")
  private String system = "";

  @Option(
      names = {"-c", "--max-model-len"},
      paramLabel = "N",
      defaultValue = "0",
      description = "Tokens of a sequence at most (default: the model's, at most 4096).")
  private int contextLength;

  @Option(
      names = {"-b", "--max-num-batched-tokens"},
      paramLabel = "N",
      defaultValue = "0",
      description = "Tokens of a step at most (default: what suits the device).")
  private int batchTokens;

  @Option(
      names = "--max-num-seqs",
      paramLabel = "N",
      defaultValue = "64",
      description = "Sequences that an executor runs together (default: ${DEFAULT-VALUE}).")
  private int maxSequences;

  @Option(
      names = "--cache-pages",
      paramLabel = "N",
      defaultValue = "0",
      description = "Pages of 64 tokens that they share (default: -c tokens for each).")
  private int cachePages;

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      defaultValue = "0",
      description = "Of an executor's engine on the CPU (default: its physical cores).")
  private int threads;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      split = ",",
      description = "Of an executor (default: the GPUs that Spark gives its tasks, else the best).")
  private List<String> devices = List.of();

  @Option(
      names = "--files-per-batch",
      paramLabel = "N",
      defaultValue = "16",
      description =
          "Files of a micro-batch, which is committed as a whole (default: ${DEFAULT-VALUE}).")
  private int filesPerBatch;

  @Option(
      names = "--partitions",
      paramLabel = "N",
      defaultValue = "0",
      description = "Tasks of a micro-batch (default: as Spark reads the files).")
  private int partitions;

  private YuzuiBatchMain(Asking asking) {
    this.asking = asking;
  }

  /** Ends the process unless all went well, for Spark takes the end of this for success. */
  public static void main(String[] args) {
    int code = run(System.err, args);
    if (code != DONE) {
      System.exit(code);
    }
  }

  static int run(PrintStream err, String... args) {
    return run(Asking.OF_ENGINE, err, args);
  }

  static int run(Asking asking, PrintStream err, String... args) {
    return new CommandLine(new YuzuiBatchMain(asking))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setErr(new java.io.PrintWriter(err, true, java.nio.charset.StandardCharsets.UTF_8))
        .setExecutionExceptionHandler((e, _, _) -> explain(err, e))
        .execute(args);
  }

  private static int explain(PrintStream err, Exception e) {
    return switch (e) {
      case UsageException _ -> say(err, e.getMessage(), USAGE);
      case WeightException _ -> say(err, e.getMessage(), USAGE);
      case BatchException _ -> say(err, e.getMessage(), USAGE);
      case AnalysisException _ -> say(err, first(e), USAGE);
      default -> say(err, first(e), FAILED);
    };
  }

  private static int say(PrintStream err, String message, int code) {
    err.println("yuzui-spark: " + Names.inFlags(message));
    return code;
  }

  /** What went wrong first, without where in whose code. */
  static String first(Throwable e) {
    Throwable cause = e;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    String what = Optional.ofNullable(cause.getMessage()).orElse("");
    String message =
        what.lines()
            .takeWhile(line -> !line.startsWith("\tat ") && !line.startsWith("Driver stacktrace"))
            .collect(Collectors.joining("\n"))
            .strip();
    return cause.getClass().getName().startsWith("dev.yuzui.")
        ? message
        : cause.getClass().getSimpleName() + ": " + message;
  }

  @Override
  public Integer call() throws IOException, StreamingQueryException, TimeoutException {
    requireSense();
    Output output = new Output(out);
    YuzuiBatchConfig config = asked(() -> config(output));
    SparkSession spark = SparkSession.builder().appName("yuzui " + in).getOrCreate();
    Dataset<Row> requests = requests(spark);
    Dataset<Row> answers =
        asked(() -> YuzuiBatch.transform(requests, config, asking, Names::inFlags));
    // only now, for whatever is refused leaves no trace
    output.begin(spark, Manifest.of(config, format.name(), in), resume);
    StreamingQuery query =
        answers
            .writeStream()
            .format(format == Format.JSONL ? "json" : "parquet")
            .option("path", out)
            .option("checkpointLocation", output.checkpoint().toString())
            .trigger(Trigger.AvailableNow())
            .start();
    query.awaitTermination();
    return DONE;
  }

  /** What the library finds to be wrong with what it was asked. */
  private static <T> T asked(Supplier<T> made) {
    try {
      return made.get();
    } catch (IllegalArgumentException e) {
      throw UsageException.of(e.getMessage());
    }
  }

  private void requireSense() {
    if (filesPerBatch < 1) {
      throw UsageException.ofFlag("--files-per-batch", "1 or more", "" + filesPerBatch);
    }
    if (partitions < 0) {
      throw UsageException.ofFlag("--partitions", "0 or more", "" + partitions);
    }
    if (format == Format.JSONL) {
      source.ifPresent(given -> refuseOfLines("--source", given.name().toLowerCase(Locale.ROOT)));
      refuseOfLines("--column", column);
      refuseOfLines("--id", id);
    }
  }

  private static void refuseOfLines(String flag, String given) {
    if (!given.isEmpty()) {
      throw UsageException.ofFlag(
          flag,
          "--format parquet beside it",
          given + ", and jsonl, whose lines are requests with their custom_id");
    }
  }

  private YuzuiBatchConfig config(Output output) {
    boolean lines = format == Format.JSONL;
    Source kind = lines ? Source.BODY : source.orElse(Source.PROMPT);
    String of =
        lines ? "request" : column.isEmpty() ? kind.name().toLowerCase(Locale.ROOT) : column;
    YuzuiBatchConfig config =
        YuzuiBatchConfig.of(model)
            .withMaxTokens(maxTokens)
            .withTemperature(temperature)
            .withSystem(system)
            .withContextLength(contextLength)
            .withBatchTokens(batchTokens)
            .withMaxSequences(maxSequences)
            .withCachePages(cachePages)
            .withThreads(threads)
            .withDevices(devices)
            .withCrashFolder(output.crash().toString())
            .withId(lines ? "custom_id" : id);
    return switch (kind) {
      case PROMPT -> config.withPrompts(of);
      case MESSAGES -> config.withMessages(of);
      case BODY -> config.withBodies(of);
    };
  }

  private Dataset<Row> requests(SparkSession spark) throws IOException {
    Path folder = new Path(in);
    if (folder.getFileSystem(spark.sparkContext().hadoopConfiguration()).globStatus(folder)
        == null) {
      throw UsageException.ofFlag("--in", "a folder of requests", in + ", which does not exist");
    }
    Dataset<Row> requests = format == Format.PARQUET ? rows(spark) : lines(spark);
    return partitions > 0 ? requests.repartition(partitions) : requests;
  }

  private Dataset<Row> rows(SparkSession spark) {
    StructType schema;
    try {
      schema = spark.read().parquet(in).schema();
    } catch (Exception e) { // Scala's are checked, and not declared
      throw UsageException.ofFlag("--in", "files of parquet", in + ": " + first(e));
    }
    return spark
        .readStream()
        .schema(schema)
        .option("maxFilesPerTrigger", filesPerBatch)
        .parquet(in);
  }

  /** A line that is no JSON is answered with an error, which a reader of JSON would not let it. */
  private Dataset<Row> lines(SparkSession spark) {
    return spark
        .readStream()
        .option("maxFilesPerTrigger", filesPerBatch)
        .text(in)
        .filter(functions.col("value").rlike(NOT_BLANK))
        .select(
            functions.get_json_object(functions.col("value"), "$.custom_id").as("custom_id"),
            functions.col("value").as("request"));
  }
}
