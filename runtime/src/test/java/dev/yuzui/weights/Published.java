package dev.yuzui.weights;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What published models say of themselves: the tables of tests/reference. */
final class Published {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final TypeReference<Map<String, Object>> MAP = new TypeReference<>() {};

  private Published() {}

  /** The config.json of every model, by the model's name. */
  static Map<String, byte[]> configs() {
    Map<String, byte[]> all = new LinkedHashMap<>();
    for (JsonNode row : table("configs.json")) {
      all.put(
          row.get("model").asText(), row.get("config").toString().getBytes(StandardCharsets.UTF_8));
    }
    return all;
  }

  static DeepseekConfig config(String model) {
    return HfConfig.read(model, configs().get(model));
  }

  /** Metadata of GGUF files, by the file's title, as a GGUF's reader gives it. */
  static Map<String, Map<String, Object>> ggufMetadata() {
    Map<String, Map<String, Object>> all = new LinkedHashMap<>();
    for (JsonNode row : table("gguf-metadata.json")) {
      Map<String, Object> metadata = JSON.convertValue(row.get("metadata"), MAP);
      metadata.replaceAll((_, v) -> v instanceof Integer i ? (Object) i.longValue() : v);
      all.put(row.get("file").asText(), metadata);
    }
    return all;
  }

  private static JsonNode table(String name) {
    try {
      return JSON.readTree(
          Path.of(System.getProperty("yuzui.root", ".."), "tests/reference", name).toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
