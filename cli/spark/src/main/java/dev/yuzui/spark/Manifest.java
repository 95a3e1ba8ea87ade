package dev.yuzui.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.batch.BatchManifest;
import dev.yuzui.io.Json;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.FileSystem;

/**
 * What the rows of an output are made with. It lies in the output's folder, where Spark looks at
 * nothing whose name begins with an underscore, so that a run that goes on mixes no answers of
 * another model or other settings into it.
 *
 * @param yuzui the version that began
 * @param madeWith what has to be the same
 */
record Manifest(String yuzui, Map<String, JsonNode> madeWith) {
  private static final String FORMAT = "yuzui-spark";
  private static final int VERSION = 1;
  private static final int MAX_BYTES = 1 << 20;

  /**
   * @param format of the output
   * @param input of the requests
   */
  static Manifest of(YuzuiBatchConfig config, String format, String input) {
    Map<String, JsonNode> madeWith = new TreeMap<>();
    try (Checkpoint checkpoint = Checkpoints.open(Path.of(config.model()))) {
      madeWith.putAll(BatchManifest.ofModel(checkpoint));
    }
    madeWith.put("--in", text(input));
    madeWith.put("--format", text(format));
    madeWith.put("--source", text(config.source() + " " + config.column()));
    madeWith.put("--id", text(config.id()));
    madeWith.put("--temp", text(Double.toString(config.temperature())));
    madeWith.put("-n", text(Integer.toString(config.maxTokens())));
    madeWith.put("-c", text(Integer.toString(config.contextLength())));
    madeWith.put("--system", text(config.system()));
    return new Manifest(version(), madeWith);
  }

  private static String version() {
    try (InputStream in = Manifest.class.getResourceAsStream("version.properties")) {
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static JsonNode text(String text) {
    return JsonNodeFactory.instance.textNode(text);
  }

  /**
   * @return empty if the file is something else
   */
  static Optional<Manifest> read(FileSystem files, org.apache.hadoop.fs.Path file)
      throws IOException {
    JsonNode json;
    try (InputStream in = files.open(file)) {
      json = Json.mapper().readTree(in.readNBytes(MAX_BYTES));
    } catch (JsonProcessingException | ChecksumException _) {
      return Optional.empty();
    }
    if (!json.path("format").asText().equals(FORMAT) || json.path("version").asInt() != VERSION) {
      return Optional.empty();
    }
    Map<String, JsonNode> madeWith = new TreeMap<>();
    json.path("made_with").forEachEntry(madeWith::put);
    return Optional.of(new Manifest(json.path("yuzui").asText(), madeWith));
  }

  /** Whole, or not at all. */
  void write(FileSystem files, org.apache.hadoop.fs.Path file) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("format", FORMAT).put("version", VERSION).put("yuzui", yuzui);
    json.putObject("made_with").setAll(madeWith);
    org.apache.hadoop.fs.Path part = file.suffix(".part");
    try (OutputStream out = files.create(part, true)) {
      out.write((Json.pretty(json) + "\n").getBytes(StandardCharsets.UTF_8));
    }
    if (!files.rename(part, file)) {
      throw new IOException(part + " cannot be named " + file);
    }
  }

  /** What would make other answers now than then: {@code -n "5" ("3" then)}. */
  List<String> differences(Manifest then) {
    return BatchManifest.differences(madeWith, then.madeWith());
  }
}
