package dev.yuzui.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Writes a GGUF's vocabulary as the tokenizer.json it was converted from. A GGUF names its
 * pre-tokenizer instead of carrying it; the regular expressions behind the names are in {@code
 * pre-tokenizers.json}, each a list of splits applied one after the other, matches isolated.
 */
final class GgufTokenizerJson {
  static final int CONTROL = 3;
  static final int USER_DEFINED = 4;

  private static final ObjectMapper JSON = new ObjectMapper();

  private GgufTokenizerJson() {}

  /**
   * @param controlTokens whether control tokens are recognised in text
   */
  static byte[] write(VocabularySource.Gguf gguf, boolean controlTokens) {
    if (!gguf.model().equals("gpt2")) {
      throw new TextException(
          "tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE, which every DeepSeek model has),"
              + " found \""
              + gguf.model()
              + "\"; convert the model again from its tokenizer.json");
    }
    JsonNode pre = preTokenizer(gguf.preTokenizer());
    checkSizes(gguf);
    var out = new ByteArrayOutputStream(16 * (gguf.tokens().size() + gguf.merges().size()));
    try (JsonGenerator g = JSON.createGenerator(out)) {
      g.writeStartObject();
      g.writeStringField("version", "1.0");
      addedTokens(g, gguf, controlTokens);
      g.writeObjectFieldStart("pre_tokenizer");
      g.writeStringField("type", "Sequence");
      g.writeArrayFieldStart("pretokenizers");
      for (JsonNode regex : pre.get("split")) {
        g.writeStartObject();
        g.writeStringField("type", "Split");
        g.writeObjectFieldStart("pattern");
        g.writeStringField("Regex", regex.asText());
        g.writeEndObject();
        g.writeStringField("behavior", "Isolated");
        g.writeBooleanField("invert", false);
        g.writeEndObject();
      }
      byteLevel(g);
      g.writeEndArray();
      g.writeEndObject();
      g.writeFieldName("decoder");
      byteLevel(g);
      model(g, gguf, pre.path("ignoreMerges").asBoolean());
      g.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // memory only
    }
    return out.toByteArray();
  }

  private static JsonNode preTokenizer(String name) {
    JsonNode known;
    try (InputStream in = GgufTokenizerJson.class.getResourceAsStream("pre-tokenizers.json")) {
      known = JSON.readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    JsonNode pre = known.get(name.isEmpty() ? "default" : name);
    if (pre == null) {
      var names = new TreeSet<String>();
      known.fieldNames().forEachRemaining(names::add);
      throw new TextException(
          "tokenizer.ggml.pre: expected one of "
              + String.join(", ", names)
              + ", found \""
              + name
              + "\"; if it splits text as one of these does, give the file that name"
              + " (gguf_set_metadata.py FILE tokenizer.ggml.pre NAME)");
    }
    return pre;
  }

  private static void checkSizes(VocabularySource.Gguf gguf) {
    int n = gguf.tokens().size();
    if (n == 0) {
      throw new TextException(
          "tokenizer.ggml.tokens: expected the vocabulary, found an empty list; token ids still"
              + " work");
    }
    if (gguf.types().length != 0 && gguf.types().length != n) {
      throw new TextException(
          "tokenizer.ggml.token_type: expected "
              + n
              + " entries as in tokenizer.ggml.tokens, found "
              + gguf.types().length
              + "; convert the model again");
    }
    if (gguf.bos() >= n || gguf.eos() >= n) {
      throw new TextException(
          "tokenizer.ggml.bos_token_id and eos_token_id: expected ids below "
              + n
              + ", found "
              + gguf.bos()
              + " and "
              + gguf.eos()
              + "; convert the model again");
    }
  }

  private static void addedTokens(JsonGenerator g, VocabularySource.Gguf gguf, boolean control)
      throws IOException {
    g.writeArrayFieldStart("added_tokens");
    for (int id = 0; id < gguf.types().length; id++) {
      int type = gguf.types()[id];
      boolean matched = type == USER_DEFINED || (type == CONTROL && control);
      if (!matched || gguf.tokens().get(id).isEmpty()) {
        continue;
      }
      g.writeStartObject();
      g.writeNumberField("id", id);
      g.writeStringField("content", gguf.tokens().get(id));
      for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        g.writeBooleanField(flag, false);
      }
      g.writeBooleanField("special", type == CONTROL);
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private static void byteLevel(JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeStringField("type", "ByteLevel");
    g.writeBooleanField("add_prefix_space", false);
    g.writeBooleanField("trim_offsets", true);
    g.writeBooleanField("use_regex", false);
    g.writeEndObject();
  }

  private static void model(JsonGenerator g, VocabularySource.Gguf gguf, boolean ignoreMerges)
      throws IOException {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < gguf.tokens().size(); id++) {
      ids.putIfAbsent(gguf.tokens().get(id), id);
    }
    g.writeObjectFieldStart("model");
    g.writeStringField("type", "BPE");
    g.writeBooleanField("ignore_merges", ignoreMerges);
    g.writeObjectFieldStart("vocab");
    for (var token : ids.entrySet()) {
      g.writeNumberField(token.getKey(), token.getValue());
    }
    g.writeEndObject();
    g.writeArrayFieldStart("merges");
    for (String merge : gguf.merges()) {
      int space = merge.indexOf(' ', 1);
      if (space < 0) {
        throw new TextException(
            "tokenizer.ggml.merges: expected two tokens and a space between them, found \""
                + merge
                + "\"; convert the model again");
      }
      String left = merge.substring(0, space);
      String right = merge.substring(space + 1);
      if (!ids.containsKey(left) || !ids.containsKey(right) || !ids.containsKey(left + right)) {
        continue; // can never apply: one of the three is no token
      }
      g.writeStartArray();
      g.writeString(left);
      g.writeString(right);
      g.writeEndArray();
    }
    g.writeEndArray();
    g.writeEndObject();
  }
}
