package dev.yuzui.cli.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.yuzui.cli.shell.FailedException;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;

/**
 * A schema and values that it does or does not allow.
 *
 * @param schema as JSON
 */
record GrammarCase(String name, String schema, List<Instance> tests) {
  /** Numbers stay as they are written. */
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
          .build();

  /**
   * @param data as JSON
   */
  record Instance(boolean valid, String data) {}

  static List<GrammarCase> read(Path file) {
    List<GrammarCase> result = new ArrayList<>();
    try (InputStream raw = new BufferedInputStream(Files.newInputStream(file));
        InputStream in = zipped(raw) ? new GZIPInputStream(raw) : raw;
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      int number = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        number++;
        if (!line.isBlank()) {
          result.add(parse(line, file + ", line " + number));
        }
      }
    } catch (IOException e) {
      throw new FailedException("--grammar: " + file + " cannot be read: " + e.getMessage());
    }
    if (result.isEmpty()) {
      throw new FailedException("--grammar: " + file + ": expected a schema a line, found none");
    }
    return result;
  }

  private static boolean zipped(InputStream in) throws IOException {
    in.mark(2);
    boolean result = in.read() == 0x1F && in.read() == 0x8B;
    in.reset();
    return result;
  }

  private static GrammarCase parse(String line, String place) {
    try {
      JsonNode node = JSON.readTree(line);
      if (!node.has("schema")) {
        throw new FailedException(
            "--grammar: " + place + ": expected an object with a 'schema', found another");
      }
      List<Instance> tests = new ArrayList<>();
      for (JsonNode test : node.path("tests")) {
        tests.add(
            new Instance(
                test.path("valid").asBoolean(true), JSON.writeValueAsString(test.get("data"))));
      }
      return new GrammarCase(
          node.path("name").asText(place), JSON.writeValueAsString(node.get("schema")), tests);
    } catch (JsonProcessingException e) {
      throw new FailedException(
          "--grammar: " + place + ": expected JSON, found " + e.getOriginalMessage());
    }
  }
}
