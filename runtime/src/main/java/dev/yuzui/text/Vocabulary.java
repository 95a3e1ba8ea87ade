package dev.yuzui.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a tokenizer knows about its ids, whichever file it came from.
 *
 * @param pieces spelling by id, null where an id has none
 * @param added ids whose spelling is literal; the others are spelled in the {@link ByteAlphabet}
 * @param special ids that carry no text: control tokens of a GGUF, {@code special} ones of a
 *     tokenizer.json
 * @param bos −1 if the model has none
 * @param eos −1 if the model has none
 */
record Vocabulary(String[] pieces, BitSet added, BitSet special, int bos, int eos, boolean addBos) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MAX_ID = 1 << 24;

  static Vocabulary of(VocabularySource.Gguf gguf) {
    BitSet added = new BitSet();
    BitSet special = new BitSet();
    for (int id = 0; id < gguf.types().length; id++) {
      int type = gguf.types()[id];
      added.set(id, type == GgufTokenizerJson.CONTROL || type == GgufTokenizerJson.USER_DEFINED);
      special.set(id, type == GgufTokenizerJson.CONTROL && !thinks(gguf.tokens().get(id)));
    }
    return new Vocabulary(
        gguf.tokens().toArray(String[]::new),
        added,
        special,
        gguf.bos(),
        gguf.eos(),
        gguf.addBos() && gguf.bos() >= 0);
  }

  static Vocabulary of(VocabularySource.HuggingFace source) {
    Path file = source.tokenizerJson();
    try (InputStream json = Files.newInputStream(file)) {
      return read(file, json, source.tokenizerConfig(), source.bos(), source.eos());
    } catch (IOException e) {
      throw new TextException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * @param json what {@link TiktokenJson} made of {@code source}
   */
  static Vocabulary of(VocabularySource.Tiktoken source, byte[] json) {
    return read(
        source.ranks(),
        new ByteArrayInputStream(json),
        Optional.of(source.tokenizerConfig()),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  /**
   * @param file for messages
   */
  private static Vocabulary read(
      Path file,
      InputStream json,
      Optional<Path> tokenizerConfig,
      OptionalInt modelsBos,
      OptionalInt modelsEos) {
    Map<String, Integer> ids = new HashMap<>(1 << 18);
    BitSet added = new BitSet();
    BitSet special = new BitSet();
    JsonNode postProcessor = JSON.missingNode();
    String type = "";
    boolean byteLevel = false;
    try (JsonParser p = JSON.createParser(json)) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String field = p.currentName();
        p.nextToken();
        switch (field) {
          case "added_tokens" -> {
            JsonNode tokens = p.readValueAsTree();
            for (JsonNode token : tokens) {
              int id = id(file, token.path("id").asLong(-1));
              ids.put(token.path("content").asText(), id);
              added.set(id);
              special.set(
                  id, token.path("special").asBoolean() && !thinks(token.path("content").asText()));
            }
          }
          case "pre_tokenizer", "decoder" -> {
            JsonNode node = p.readValueAsTree();
            byteLevel |= node.findValuesAsText("type").contains("ByteLevel");
          }
          case "post_processor" -> postProcessor = p.readValueAsTree();
          case "model" -> type = readModel(file, p, ids);
          default -> p.skipChildren();
        }
      }
    } catch (IOException e) {
      throw new TextException(
          file + ": expected a tokenizer.json, found " + e.getMessage() + "; download it again", e);
    }
    if (!type.equals("BPE") || !byteLevel) {
      throw new TextException(
          file
              + ": expected byte-level BPE, which every DeepSeek model has, found model type \""
              + type
              + "\" "
              + (byteLevel ? "with" : "without")
              + " a ByteLevel step; check that it belongs to this checkpoint");
    }
    int size = ids.values().stream().mapToInt(i -> i + 1).max().orElse(0);
    String[] pieces = new String[size];
    ids.forEach((piece, id) -> pieces[id] = piece);
    JsonNode config = tokenizerConfig.map(Vocabulary::readTree).orElse(JSON.missingNode());
    Optional<String> templateBos = templateBos(postProcessor);
    int bos =
        specialId(ids, config, "bos_token")
            .or(() -> templateBos.map(ids::get))
            .orElseGet(() -> modelsBos.orElse(-1));
    int eos = specialId(ids, config, "eos_token").orElseGet(() -> modelsEos.orElse(-1));
    boolean addBos =
        config.path("add_bos_token").isBoolean()
            ? config.path("add_bos_token").asBoolean()
            : templateBos.isPresent()
                || modelsBos.isPresent()
                || config.path("tokenizer_class").asText().startsWith("LlamaTokenizer");
    return new Vocabulary(pieces, added, special, bos, eos, addBos && bos >= 0);
  }

  /** The tokenizer.json without the added tokens that mean something to the model. */
  static byte[] withoutControlTokens(Path tokenizerJson) {
    try (InputStream json = Files.newInputStream(tokenizerJson)) {
      return withoutControlTokens(json);
    } catch (IOException e) {
      throw new TextException(tokenizerJson + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** The same of a tokenizer.json that was made here. */
  static byte[] withoutControlTokens(byte[] json) {
    try {
      return withoutControlTokens(new ByteArrayInputStream(json));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] withoutControlTokens(InputStream json) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (JsonParser p = JSON.createParser(json);
        JsonGenerator g = JSON.createGenerator(out)) {
      p.nextToken();
      g.writeStartObject();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String field = p.currentName();
        g.writeFieldName(field);
        p.nextToken();
        if (field.equals("added_tokens")) {
          g.writeStartArray();
          JsonNode tokens = p.readValueAsTree();
          for (JsonNode token : tokens) {
            boolean control =
                token.path("special").asBoolean() || looksControl(token.path("content").asText());
            if (!control) {
              g.writeTree(token);
            }
          }
          g.writeEndArray();
        } else if (field.equals("post_processor")) {
          p.skipChildren(); // it may name a token that is no longer there
          g.writeNull();
        } else {
          g.copyCurrentStructure(p);
        }
      }
      g.writeEndObject();
    }
    return out.toByteArray();
  }

  /**
   * Whether {@code id} means something to the model beside its text. V3's {@code <｜User｜>} is
   * marked as plain text in tokenizer.json, {@code <think>} and GLM's {@code <tool_call>} are too:
   * brackets around an added token say what it is. {@code ü}, which some files add, is a letter.
   */
  boolean isControl(int id) {
    return added.get(id) && (special.get(id) || looksControl(piece(id)));
  }

  ControlTokens controlTokens() {
    return new ControlTokens(added.stream().filter(this::isControl).mapToObj(this::piece).toList());
  }

  static boolean looksControl(String piece) {
    return piece.length() > 2
        && ((piece.startsWith("<") && piece.endsWith(">"))
            || (piece.startsWith("[") && piece.endsWith("]")));
  }

  /** Some files mark them as special; what they enclose would lose its borders. */
  private static boolean thinks(String piece) {
    return piece.equals("<think>") || piece.equals("</think>");
  }

  int size() {
    return pieces.length;
  }

  /** Empty for ids the model has logits for but the vocabulary no spelling (V3 has 465). */
  String piece(int id) {
    return id < pieces.length && pieces[id] != null ? pieces[id] : "";
  }

  byte[] bytes(int id) {
    String piece = piece(id);
    return added.get(id) ? piece.getBytes(StandardCharsets.UTF_8) : ByteAlphabet.bytes(piece);
  }

  private static String readModel(Path file, JsonParser p, Map<String, Integer> ids)
      throws IOException {
    String type = "BPE"; // older files leave it out
    if (p.currentToken() != JsonToken.START_OBJECT) {
      p.skipChildren();
      return "";
    }
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String field = p.currentName();
      p.nextToken();
      if (field.equals("type")) {
        type = p.getText();
      } else if (field.equals("vocab") && p.currentToken() == JsonToken.START_OBJECT) {
        while (p.nextToken() == JsonToken.FIELD_NAME) {
          String piece = p.currentName();
          p.nextToken();
          ids.put(piece, id(file, p.getValueAsLong(-1)));
        }
      } else {
        p.skipChildren();
      }
    }
    return type;
  }

  private static int id(Path file, long id) {
    if (id < 0 || id >= MAX_ID) {
      throw new TextException(
          file
              + ": token id: expected 0 to "
              + (MAX_ID - 1)
              + ", found "
              + id
              + "; download it again");
    }
    return (int) id;
  }

  private static JsonNode readTree(Path file) {
    try {
      return JSON.readTree(file.toFile());
    } catch (IOException e) {
      throw new TextException(
          file + ": expected JSON, found " + e.getMessage() + "; download it again", e);
    }
  }

  /** Newer transformers write the token that is added in front into the post-processor. */
  private static Optional<String> templateBos(JsonNode postProcessor) {
    for (JsonNode single : postProcessor.findValues("single")) {
      JsonNode first = single.path(0).path("SpecialToken").path("id");
      if (first.isTextual()) {
        return Optional.of(first.asText());
      }
    }
    return Optional.empty();
  }

  private static Optional<Integer> specialId(
      Map<String, Integer> ids, JsonNode config, String key) {
    JsonNode token = config.path(key);
    return Optional.ofNullable(ids.get(token.path("content").asText(token.asText())));
  }
}
