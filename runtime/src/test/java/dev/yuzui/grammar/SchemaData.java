package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Schemas of others, which are no part of the project; their tests skip where they are not. */
final class SchemaData {
  static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
          .build();

  private SchemaData() {}

  record Instance(boolean valid, String data, String description) {}

  record Entry(String name, String schema, List<Instance> tests) {}

  static Path folder() {
    Path folder =
        Path.of(System.getProperty("yuzui.shared", "../shared")).resolve("refdata/schemas");
    assumeTrue(Files.isDirectory(folder), () -> "no schemas at " + folder);
    return folder;
  }

  private static byte[] unzipped(Path file) {
    try (var in = new GZIPInputStream(Files.newInputStream(file))) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Schemas that people wrote, with instances. */
  static List<Entry> collected() {
    List<Entry> result = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder())) {
      for (Path file : files.filter(f -> f.toString().endsWith(".jsonl.gz")).sorted().toList()) {
        for (String line : new String(unzipped(file), StandardCharsets.UTF_8).split("\n")) {
          JsonNode node = JSON.readTree(line);
          result.add(entry(node.get("name").asText(), node.get("schema"), node.get("tests")));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return result;
  }

  private static Entry entry(String name, JsonNode schema, JsonNode tests) throws IOException {
    List<Instance> instances = new ArrayList<>();
    for (JsonNode test : tests) {
      instances.add(
          new Instance(
              test.get("valid").booleanValue(),
              JSON.writeValueAsString(test.get("data")),
              test.path("description").asText()));
    }
    return new Entry(name, JSON.writeValueAsString(schema), instances);
  }

  /** JSON-Schema-Test-Suite's files of one draft, without those of optional features. */
  static List<Entry> suite(String draft) {
    List<Entry> result = new ArrayList<>();
    Path archive = folder().resolve("json-schema-test-suite.tar.gz");
    try {
      for (Map.Entry<String, byte[]> file : untarred(unzipped(archive)).entrySet()) {
        String name = file.getKey();
        if (name.contains("/" + draft + "/")
            && name.endsWith(".json")
            && !name.contains("/optional/")) {
          for (JsonNode group : JSON.readTree(file.getValue())) {
            String title =
                name.substring(name.indexOf(draft)) + ": " + group.get("description").asText();
            JsonNode schema = group.get("schema");
            if (draft.equals("draft7")
                && schema instanceof ObjectNode node
                && !node.has("$schema")) {
              node.put("$schema", "http://json-schema.org/draft-07/schema#");
            }
            result.add(entry(title, schema, group.get("tests")));
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    assumeTrue(!result.isEmpty(), () -> "no " + draft + " in " + archive);
    return result;
  }

  private static Map<String, byte[]> untarred(byte[] tar) throws IOException {
    Map<String, byte[]> result = new LinkedHashMap<>();
    var in = new ByteArrayInputStream(tar);
    byte[] head = new byte[512];
    while (in.readNBytes(head, 0, 512) == 512 && head[0] != 0) {
      int size = Integer.parseInt(field(head, 124, 12).strip(), 8);
      byte[] body = in.readNBytes(size);
      in.skipNBytes(Math.min(in.available(), (512 - size % 512) % 512));
      result.put("/" + field(head, 0, 100), body);
    }
    return result;
  }

  private static String field(byte[] head, int from, int length) {
    String text = new String(head, from, length, StandardCharsets.UTF_8);
    int end = text.indexOf('\0');
    return end < 0 ? text : text.substring(0, end);
  }
}
