package dev.yuzui.batch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.io.Json;
import dev.yuzui.io.WholeFile;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.weights.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What a batch's answers are made with, beside what the lines themselves say. It lies beside the
 * output, as {@code OUT.manifest.json}, so that another run does not mix answers of another model
 * or other flags into it:
 *
 * <pre>
 * {"format": "yuzui-batch", "version": 1, "yuzui": "…",
 *  "made_with": {"model": "name and fingerprint", "tokenizer.json": "sha256:…", "sampling": "…", …},
 *  "run_with": {…}}
 * </pre>
 *
 * The command line names both by its flags; those that are not given are not there.
 *
 * @param yuzui the version that began
 * @param madeWith what has to be the same for the answers to belong together
 * @param runWith what may change, but can show in them
 */
public record BatchManifest(
    String yuzui, Map<String, JsonNode> madeWith, Map<String, JsonNode> runWith) {
  /** Among what answers are made with, whose they are, if not all; {@code 3/8}. */
  public static final String SHARD = "shard";

  private static final String FORMAT = "yuzui-batch";
  private static final int VERSION = 1;

  private static final long MAX_BYTES = 1 << 20;

  /** Files of a model's folder that say how a text is read and drawn. */
  private static final String BESIDE_WEIGHTS =
      "{tokenizer,tiktoken,vocab,merges,special_tokens,added_tokens,chat_template,"
          + "generation_config}*";

  /** Of a program's own batch: the model, and what it is asked. */
  static BatchManifest of(Checkpoint checkpoint, ServedModel model, BatchShard shard) {
    Map<String, JsonNode> madeWith = ofModel(checkpoint);
    madeWith.put("sampling", text(model.sampling().toString()));
    madeWith.put("rendering", text(model.rendering() + " raw=" + model.raw()));
    madeWith.put("system", text(model.system().orElse("")));
    madeWith.put("max_tokens", text(Integer.toString(model.maxTokens())));
    madeWith.put("stop", text(model.stop() + " ignore_eos=" + model.ignoreEos()));
    if (!shard.equals(BatchShard.ALL)) {
      madeWith.put(SHARD, text(shard.toString()));
    }
    return new BatchManifest("", madeWith, Map.of());
  }

  /** Whose answers they are; all of them where it does not say. */
  BatchShard shard() {
    return Optional.ofNullable(madeWith.get(SHARD))
        .map(shard -> BatchShard.parse(shard.asText()))
        .orElse(BatchShard.ALL);
  }

  /** Of the answers of all shards together. */
  BatchManifest ofAll() {
    Map<String, JsonNode> all = new TreeMap<>(madeWith);
    all.remove(SHARD);
    return new BatchManifest(yuzui, all, runWith);
  }

  /** What tells a checkpoint from another: the weights, as {@code model}, and each file beside. */
  public static Map<String, JsonNode> ofModel(Checkpoint checkpoint) {
    Map<String, JsonNode> files = new TreeMap<>();
    files.put("model", text(checkpoint.config().name() + " " + checkpoint.fingerprint()));
    besideWeights(checkpoint.path())
        .forEach(file -> files.put(file.getFileName().toString(), text(fingerprint(file))));
    return files;
  }

  private static JsonNode text(String text) {
    return JsonNodeFactory.instance.textNode(text);
  }

  private static List<Path> besideWeights(Path model) {
    List<Path> files = new ArrayList<>();
    if (Files.isDirectory(model)) {
      try (DirectoryStream<Path> found = Files.newDirectoryStream(model, BESIDE_WEIGHTS)) {
        found.forEach(file -> Optional.of(file).filter(Files::isRegularFile).ifPresent(files::add));
      } catch (IOException e) {
        throw BatchException.asked(model + " cannot be read: " + e);
      }
    }
    return files;
  }

  /** Of what a file holds. */
  public static String fingerprint(Path file) {
    try (InputStream in = Files.newInputStream(file);
        DigestInputStream digest =
            new DigestInputStream(in, MessageDigest.getInstance("SHA-256"))) {
      digest.transferTo(OutputStream.nullOutputStream());
      return "sha256:" + HexFormat.of().formatHex(digest.getMessageDigest().digest(), 0, 8);
    } catch (IOException e) {
      throw BatchException.asked(file + " cannot be read: " + e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  /** Where the manifest of an output that exists lies; links to the output have the same. */
  static Path beside(Path output) throws IOException {
    return besideFile(output.toRealPath());
  }

  /**
   * Where the manifest of a new output goes. In place of one whose output is gone, but of no other
   * file.
   *
   * @throws BatchException if there is one
   */
  static Path besideNew(Path output) throws IOException {
    Path file = besideFile(Files.exists(output) ? output.toRealPath() : output.toAbsolutePath());
    if (read(file).isEmpty() && Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      throw BatchException.expected(
          "Batch.output " + output,
          "room for " + file.getFileName() + " beside it",
          "another file of that name; give Batch.output another name");
    }
    return file;
  }

  private static Path besideFile(Path output) {
    return output.resolveSibling(output.getFileName() + ".manifest.json");
  }

  /**
   * @return empty if the file is something else
   */
  static Optional<BatchManifest> read(Path file) throws IOException {
    if (!Files.isRegularFile(file) || Files.size(file) > MAX_BYTES) {
      return Optional.empty();
    }
    JsonNode json;
    try {
      json = Json.mapper().readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException _) {
      return Optional.empty();
    }
    return json.path("format").asText().equals(FORMAT) && json.path("version").asInt() == VERSION
        ? Optional.of(
            new BatchManifest(
                json.path("yuzui").asText(),
                fields(json.path("made_with")),
                fields(json.path("run_with"))))
        : Optional.empty();
  }

  private static Map<String, JsonNode> fields(JsonNode object) {
    Map<String, JsonNode> fields = new TreeMap<>();
    object.forEachEntry(fields::put);
    return fields;
  }

  void write(Path file) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("format", FORMAT).put("version", VERSION).put("yuzui", yuzui);
    json.putObject("made_with").setAll(madeWith);
    json.putObject("run_with").setAll(runWith);
    WholeFile.write(file, Json.pretty(json) + "\n");
  }

  /** What would make other answers now than those that are there: {@code max_tokens 5 (3 then)}. */
  List<String> differences(BatchManifest then) {
    return differences(madeWith, then.madeWith());
  }

  /** What may show in the answers, and may still change. */
  List<String> changes(BatchManifest then) {
    List<String> changes = differences(runWith, then.runWith());
    if (!yuzui.equals(then.yuzui())) {
      changes.addFirst("Yuzui " + yuzui + " (" + then.yuzui() + " then)");
    }
    return changes;
  }

  /** Of what two are made with: {@code -n 5 (3 then)}. */
  public static List<String> differences(Map<String, JsonNode> now, Map<String, JsonNode> then) {
    Set<String> names = new TreeSet<>(now.keySet());
    names.addAll(then.keySet());
    List<String> differences = new ArrayList<>();
    for (String name : names) {
      String is = shown(now, name);
      String was = shown(then, name);
      if (!is.equals(was)) {
        differences.add(name + " " + is + " (" + was + " then)");
      }
    }
    return differences;
  }

  private static String shown(Map<String, JsonNode> values, String name) {
    return Optional.ofNullable(values.get(name)).map(JsonNode::toString).orElse("not given");
  }
}
