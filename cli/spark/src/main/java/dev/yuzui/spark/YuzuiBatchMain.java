package dev.yuzui.spark;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.weights.WeightException;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;
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

  /** Of the output, for what is not rows. */
  private static final String OWN = "_yuzui";

  enum Format {
    JSONL,
    PARQUET
  }

  /** A run that cannot begin. */
  private static final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    UsageException(String flag, String expected, String found) {
      super(flag + ": expected " + expected + ", found " + found);
    }
  }

  private final Asking asking;

  @Option(
      names = "--in",
      paramLabel = "FOLDER",
      required = true,
      description =
          "Files of requests: of jsonl a line each, as yuzui batch has them; of parquet a row each.")
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
          "What the column of requests in a parquet file is: prompt (the default), messages or body.")
  private YuzuiBatchConfig.Source source = YuzuiBatchConfig.Source.PROMPT;

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
          "A column that tells requests apart and seeds those that name no seed (default: custom_id"
              + " of jsonl).")
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
    err.println("yuzui-spark: " + e.getMessage());
    return switch (e) {
      case UsageException _ -> USAGE;
      case IllegalArgumentException _ -> USAGE;
      case WeightException _ -> USAGE;
      case EngineException _ -> FAILED;
      default -> FAILED;
    };
  }

  @Override
  public Integer call() throws IOException, StreamingQueryException, TimeoutException {
    YuzuiBatchConfig config = config();
    SparkSession spark = SparkSession.builder().appName("yuzui " + in).getOrCreate();
    begin(spark, config);
    Dataset<Row> requests = requests(spark);
    if (partitions > 0) {
      requests = requests.repartition(partitions);
    }
    StreamingQuery query =
        YuzuiBatch.transform(requests, config, asking)
            .writeStream()
            .format(format == Format.JSONL ? "json" : "parquet")
            .option("path", out)
            .option("checkpointLocation", own("checkpoint").toString())
            .trigger(Trigger.AvailableNow())
            .start();
    query.awaitTermination();
    return DONE;
  }

  private YuzuiBatchConfig config() {
    boolean lines = format == Format.JSONL;
    YuzuiBatchConfig.Source kind = lines ? YuzuiBatchConfig.Source.BODY : source;
    String of =
        lines
            ? "request"
            : column.isEmpty() ? kind.name().toLowerCase(java.util.Locale.ROOT) : column;
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
            .withCrashFolder(own("crash").toString())
            .withId(lines ? "custom_id" : id);
    return switch (kind) {
      case PROMPT -> config.withPrompts(of);
      case MESSAGES -> config.withMessages(of);
      case BODY -> config.withBodies(of);
    };
  }

  private Path own(String name) {
    return new Path(new Path(out, OWN), name);
  }

  /** Says what the output is made with, or compares it with what is there. */
  private void begin(SparkSession spark, YuzuiBatchConfig config) throws IOException {
    FileSystem files = new Path(out).getFileSystem(spark.sparkContext().hadoopConfiguration());
    Path file = own("manifest.json");
    Manifest manifest = Manifest.of(config, format.name(), in);
    boolean there = files.exists(new Path(out)) && files.listStatus(new Path(out)).length > 0;
    if (!there) {
      files.mkdirs(file.getParent());
      manifest.write(files, file);
      return;
    }
    if (!resume) {
      throw new UsageException(
          "--out", "a new folder", out + ", which has something; give another, or --resume");
    }
    if (!files.exists(file)) {
      throw new UsageException(
          "--resume", file + ", which says what the rows are made with", "no such file");
    }
    List<String> differences = manifest.differences(Manifest.read(files, file));
    if (!differences.isEmpty()) {
      throw new UsageException(
          "--resume",
          "the model and the settings that " + out + " was begun with",
          String.join(", ", differences) + "; give the same, or another --out");
    }
    // a driver that is killed takes its executors with it, whatever they had under way
    new CrashNotes(files, own("crash"), spark.sparkContext().applicationId()).forgetOthers();
  }

  private Dataset<Row> requests(SparkSession spark) {
    if (format == Format.PARQUET) {
      return spark
          .readStream()
          .schema(spark.read().parquet(in).schema())
          .option("maxFilesPerTrigger", filesPerBatch)
          .parquet(in);
    }
    // a line that is no JSON is answered with an error, which a reader of JSON would not let it
    return spark
        .readStream()
        .option("maxFilesPerTrigger", filesPerBatch)
        .text(in)
        .filter(functions.length(functions.trim(functions.col("value"))).gt(0))
        .select(
            functions.get_json_object(functions.col("value"), "$.custom_id").as("custom_id"),
            functions.col("value").as("request"));
  }
}
