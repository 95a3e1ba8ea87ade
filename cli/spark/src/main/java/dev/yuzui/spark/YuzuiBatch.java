package dev.yuzui.spark;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/** Answers the requests of a DataFrame. */
public final class YuzuiBatch {
  private YuzuiBatch() {}

  /**
   * The rows with a struct besides: {@code text}, {@code reasoning}, {@code finish_reason}, {@code
   * usage} (prompt_tokens, cached_tokens, completion_tokens), {@code tool_calls} (id, name,
   * arguments), and {@code error} (code, message), which is null but for a request that could not
   * be met. Nothing is done before an action asks for rows; each executor opens the model once.
   * Rows of a partition come in another order.
   *
   * @param requests of a batch or of a stream
   * @throws IllegalArgumentException if the columns are not there, or the response's is
   */
  public static Dataset<Row> transform(Dataset<Row> requests, YuzuiBatchConfig config) {
    return transform(requests, config, Asking.OF_ENGINE, Names::inConfig);
  }

  /**
   * @param wording of the messages that rows get
   */
  static Dataset<Row> transform(
      Dataset<Row> requests, YuzuiBatchConfig config, Asking asking, Wording wording) {
    StructType schema = requests.schema();
    List<String> columns = Arrays.asList(schema.fieldNames());
    requireColumn(columns, "column", config.column());
    if (!config.id().isEmpty()) {
      requireColumn(columns, "id", config.id());
    }
    if (columns.contains(config.response())) {
      throw new IllegalArgumentException(
          "YuzuiBatchConfig.response: expected a column that the rows do not have, found "
              + config.response());
    }
    SparkContext context = requests.sparkSession().sparkContext();
    Counters counters = Counters.of(context);
    Optional<CrashFolder> crashes =
        config.crashFolder().isEmpty()
            ? Optional.empty()
            : Optional.of(CrashFolder.of(context, config.crashFolder()));
    Answers.Of answers =
        new Answers.Of(config, counters, crashes.stream().toList(), asking, wording);
    return requests.mapPartitions(
        (MapPartitionsFunction<Row, Row>) answers::to,
        Encoders.row(schema.add(config.response(), Response.TYPE)));
  }

  private static void requireColumn(List<String> columns, String component, String name) {
    if (!columns.contains(name)) {
      throw new IllegalArgumentException(
          "YuzuiBatchConfig.%s: expected one of the columns %s, found %s"
              .formatted(component, columns, name));
    }
  }

  /**
   * The seed of a request that has this id and names none: 53 bits of its SHA-256. The same in a
   * line of {@code yuzui batch} draws the same answer.
   */
  public static long seed(String id) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(id.getBytes(StandardCharsets.UTF_8));
      return ByteBuffer.wrap(digest).getLong() >>> 11;
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  /**
   * Closes the engines of this JVM, of a program that goes on when its local jobs are done. Those
   * of executors go with them; one that no task uses is closed when another is opened there.
   */
  public static void closeEngines() {
    Engines.ofThisJvm().close();
  }
}
