package dev.yuzui.spark;

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
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.hadoop.fs.FileSystem;

/**
 * What the rows of an output are made with. It lies in the output's folder, where Spark looks at
 * nothing whose name begins with an underscore, so that a run that goes on mixes no answers of
 * another model or other settings into it.
 *
 * @param madeWith what has to be the same
 */
record Manifest(Map<String, JsonNode> madeWith) {
  private static final String FORMAT = "yuzui-spark";
  private static final int VERSION = 1;

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
    return new Manifest(madeWith);
  }

  private static JsonNode text(String text) {
    return JsonNodeFactory.instance.textNode(text);
  }

  /**
   * @throws IOException if it cannot be read, or is something else
   */
  static Manifest read(FileSystem files, org.apache.hadoop.fs.Path file) throws IOException {
    try (InputStream in = files.open(file)) {
      JsonNode json = Json.mapper().readTree(in.readAllBytes());
      if (!json.path("format").asText().equals(FORMAT) || json.path("version").asInt() != VERSION) {
        throw new IOException("it is none of Yuzui's, or of another version");
      }
      Map<String, JsonNode> madeWith = new TreeMap<>();
      json.path("made_with").forEachEntry(madeWith::put);
      return new Manifest(madeWith);
    }
  }

  /** Whole, or not at all. */
  void write(FileSystem files, org.apache.hadoop.fs.Path file) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("format", FORMAT).put("version", VERSION);
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
    Set<String> names = new TreeSet<>(madeWith.keySet());
    names.addAll(then.madeWith().keySet());
    List<String> differences = new ArrayList<>();
    for (String name : names) {
      JsonNode is = madeWith.getOrDefault(name, JsonNodeFactory.instance.nullNode());
      JsonNode was = then.madeWith().getOrDefault(name, JsonNodeFactory.instance.nullNode());
      if (!is.equals(was)) {
        differences.add(name + " " + is + " (" + was + " then)");
      }
    }
    return differences;
  }
}
