package dev.yuzui.parallel;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.io.WholeFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Expert loads in a JSON file: {@code {"format": "yuzui-expert-loads", "version": 1, "model": …,
 * "fingerprint": …, "experts": E, "layers": [{"layer": 3, "tokens": [E numbers]}, …]}}.
 */
public final class ExpertLoadsFile {
  private static final String FORMAT = "yuzui-expert-loads";
  private static final int VERSION = 1;

  /** A thousand layers of a thousand experts. */
  private static final long MAX_BYTES = 32 << 20;

  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private ExpertLoadsFile() {}

  /**
   * Written beside the file and moved into its place, so that a file is whole or as before.
   *
   * @throws ParallelException if it cannot be written
   */
  public static void write(Path file, ExpertLoads loads) {
    ObjectNode json = MAPPER.createObjectNode();
    json.put("format", FORMAT).put("version", VERSION).put("model", loads.model());
    json.put("fingerprint", loads.fingerprint()).put("experts", loads.experts());
    List<String> layers = new ArrayList<>();
    for (int layer : loads.layers()) {
      ObjectNode row = MAPPER.createObjectNode().put("layer", layer);
      row.set("tokens", MAPPER.valueToTree(loads.tokens(layer)));
      layers.add(row.toString());
    }
    // a line for each layer
    String head = json.toString();
    String text =
        head.substring(0, head.length() - 1)
            + ",\"layers\":[\n"
            + String.join(",\n", layers)
            + "\n]}\n";
    try {
      WholeFile.write(file, text);
    } catch (IOException e) {
      throw new ParallelException(file + ": cannot be written: " + e);
    }
  }

  /**
   * @throws ParallelException if it is not such a file, or damaged
   */
  public static ExpertLoads read(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw bad(file, "at most " + MAX_BYTES + " bytes", "" + Files.size(file));
      }
      return new Reader(file).loads(MAPPER.readTree(Files.readAllBytes(file)));
    } catch (JacksonException e) {
      throw bad(file, "JSON", e.getOriginalMessage());
    } catch (IOException e) {
      throw new ParallelException(file + ": cannot be read: " + e);
    }
  }

  private static ParallelException bad(Path file, String expected, String found) {
    return new ParallelException(
        "%s: not expert loads: expected %s, found %s; delete it and count again"
            .formatted(file, expected, found));
  }

  private record Reader(Path file) {
    ExpertLoads loads(JsonNode json) {
      require(FORMAT.equals(json.path("format").asText()), "format " + FORMAT, json.path("format"));
      require(json.path("version").asInt() == VERSION, "version " + VERSION, json.path("version"));
      JsonNode experts = json.path("experts");
      require(experts.isInt() && experts.asInt() > 0, "experts, 1 or more", experts);
      ExpertLoads loads =
          new ExpertLoads(text(json, "model"), text(json, "fingerprint"), experts.asInt());
      require(json.path("layers").isArray(), "layers, an array", json.path("layers"));
      json.path("layers").forEach(row -> layer(row, loads));
      return loads;
    }

    private void layer(JsonNode row, ExpertLoads loads) {
      JsonNode layer = row.path("layer");
      JsonNode tokens = row.path("tokens");
      require(layer.isInt() && layer.asInt() >= 0, "layer, 0 or more", layer);
      require(!loads.layers().contains(layer.asInt()), "each layer once", layer);
      require(
          tokens.isArray() && tokens.size() == loads.experts(),
          loads.experts() + " tokens in layer " + layer,
          tokens);
      for (int e = 0; e < tokens.size(); e++) {
        JsonNode count = tokens.get(e);
        require(
            count.isIntegralNumber() && count.canConvertToLong() && count.asLong() >= 0,
            "tokens, 0 or more",
            count);
        loads.add(layer.asInt(), e, count.asLong());
      }
    }

    private String text(JsonNode json, String name) {
      require(json.path(name).isTextual(), name + ", a string", json.path(name));
      return json.path(name).asText();
    }

    private void require(boolean good, String expected, JsonNode found) {
      if (!good) {
        String text = found.isMissingNode() ? "none" : found.toString();
        throw bad(file, expected, text.length() > 60 ? text.substring(0, 57) + "..." : text);
      }
    }
  }
}
