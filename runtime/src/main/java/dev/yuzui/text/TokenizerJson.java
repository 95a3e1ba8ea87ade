package dev.yuzui.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * A byte-level BPE vocabulary that was published in another form, to be written as a
 * tokenizer.json.
 *
 * @param added tokens that are matched in the text before it is split
 * @param ids of all tokens, spelled in the {@link ByteAlphabet}
 * @param merges those that come first go first
 */
record TokenizerJson(
    PreTokenizer preTokenizer, List<Added> added, Map<String, Integer> ids, List<Merge> merges) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * @param special whether it carries no text
   */
  record Added(int id, String content, boolean special) {}

  /** Two tokens that become one. */
  record Merge(String left, String right) {}

  /**
   * How text is split before tokens are merged, by the name that llama.cpp has given it. The
   * regular expressions are in {@code pre-tokenizers.json}, where a name may stand for another.
   *
   * @param splits applied one after the other, matches isolated
   * @param ignoreMerges whether a piece that is a token stays whole whatever the merges say
   */
  record PreTokenizer(List<String> splits, boolean ignoreMerges) {
    /** Empty if there is none of that name. */
    static Optional<PreTokenizer> named(String name) {
      JsonNode all = all();
      JsonNode found = all.path(name);
      JsonNode node = found.isTextual() ? all.path(found.textValue()) : found;
      if (node.isMissingNode()) {
        return Optional.empty();
      }
      List<String> splits = new ArrayList<>();
      node.get("split").forEach(regex -> splits.add(regex.textValue()));
      return Optional.of(new PreTokenizer(splits, node.path("ignoreMerges").asBoolean()));
    }

    static TreeSet<String> names() {
      TreeSet<String> names = new TreeSet<>();
      all().fieldNames().forEachRemaining(names::add);
      return names;
    }

    private static JsonNode all() {
      try (InputStream in = PreTokenizer.class.getResourceAsStream("pre-tokenizers.json")) {
        return JSON.readTree(in);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  byte[] write() {
    var out = new ByteArrayOutputStream(16 * (ids.size() + merges.size()));
    try (JsonGenerator g = JSON.createGenerator(out)) {
      g.writeStartObject();
      g.writeStringField("version", "1.0");
      g.writeArrayFieldStart("added_tokens");
      for (Added token : added) {
        added(g, token);
      }
      g.writeEndArray();
      g.writeObjectFieldStart("pre_tokenizer");
      g.writeStringField("type", "Sequence");
      g.writeArrayFieldStart("pretokenizers");
      for (String regex : preTokenizer.splits()) {
        split(g, regex);
      }
      byteLevel(g);
      g.writeEndArray();
      g.writeEndObject();
      g.writeFieldName("decoder");
      byteLevel(g);
      model(g);
      g.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // memory only
    }
    return out.toByteArray();
  }

  private static void added(JsonGenerator g, Added token) throws IOException {
    g.writeStartObject();
    g.writeNumberField("id", token.id());
    g.writeStringField("content", token.content());
    for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
      g.writeBooleanField(flag, false);
    }
    g.writeBooleanField("special", token.special());
    g.writeEndObject();
  }

  private static void split(JsonGenerator g, String regex) throws IOException {
    g.writeStartObject();
    g.writeStringField("type", "Split");
    g.writeObjectFieldStart("pattern");
    g.writeStringField("Regex", regex);
    g.writeEndObject();
    g.writeStringField("behavior", "Isolated");
    g.writeBooleanField("invert", false);
    g.writeEndObject();
  }

  private static void byteLevel(JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeStringField("type", "ByteLevel");
    g.writeBooleanField("add_prefix_space", false);
    g.writeBooleanField("trim_offsets", true);
    g.writeBooleanField("use_regex", false);
    g.writeEndObject();
  }

  private void model(JsonGenerator g) throws IOException {
    g.writeObjectFieldStart("model");
    g.writeStringField("type", "BPE");
    g.writeBooleanField("ignore_merges", preTokenizer.ignoreMerges());
    g.writeObjectFieldStart("vocab");
    for (var token : ids.entrySet()) {
      g.writeNumberField(token.getKey(), token.getValue());
    }
    g.writeEndObject();
    g.writeArrayFieldStart("merges");
    for (Merge merge : merges) {
      g.writeStartArray();
      g.writeString(merge.left());
      g.writeString(merge.right());
      g.writeEndArray();
    }
    g.writeEndArray();
    g.writeEndObject();
  }
}
