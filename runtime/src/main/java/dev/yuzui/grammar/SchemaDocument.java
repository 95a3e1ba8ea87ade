package dev.yuzui.grammar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;

/** A schema as JSON, and where its references lead. */
final class SchemaDocument {
  private static final ObjectReader READER =
      JsonMapper.builder()
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build()
          .reader();

  private static final Set<String> VALUES = Set.of("enum", "const", "default", "examples");

  private static final URI NO_BASE = URI.create("");

  record Place(JsonNode node, String pointer) {}

  private final JsonNode root;
  private final boolean referencesStandAlone;
  private final IdentityHashMap<JsonNode, URI> bases = new IdentityHashMap<>();
  private final Map<String, Place> named = new HashMap<>();

  private SchemaDocument(JsonNode root) {
    this.root = root;
    String dialect = root.path("$schema").asText("");
    referencesStandAlone = dialect.matches(".*draft-0[3467]/.*");
    scan(root, "", NO_BASE);
  }

  static SchemaDocument of(String text) {
    JsonNode root = read(text, "schema");
    if (!root.isObject() && !root.isBoolean()) {
      throw new SchemaException("", "expected an object, true or false, found " + kind(root));
    }
    return new SchemaDocument(root);
  }

  /** JSON with its numbers as they are. */
  static JsonNode read(String text, String what) {
    try {
      return READER.readTree(text);
    } catch (JsonProcessingException e) {
      throw new GrammarException(
          what + ": expected JSON, found something else: " + e.getOriginalMessage(), e);
    }
  }

  static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case MISSING -> "nothing";
      case NULL -> "null";
      case BOOLEAN -> node.asText();
      case OBJECT -> "an object";
      case ARRAY -> "an array";
      default -> node.toString();
    };
  }

  JsonNode root() {
    return root;
  }

  /** Whether what stands beside {@code $ref} means nothing: up to draft 7. */
  boolean referencesStandAlone() {
    return referencesStandAlone;
  }

  static String child(String pointer, String key) {
    return pointer + "/" + key.replace("~", "~0").replace("/", "~1");
  }

  private void scan(JsonNode node, String pointer, URI outer) {
    URI base = outer;
    if (node.isObject() && !(referencesStandAlone && node.has("$ref"))) {
      for (String key : new String[] {"$id", "id"}) {
        JsonNode id = node.get(key);
        if (id != null && id.isTextual()) {
          base = resolve(base, id.textValue());
          named.putIfAbsent(base.toString(), new Place(node, pointer));
          named.putIfAbsent(base.toString().replaceFirst("#$", ""), new Place(node, pointer));
          if (id.textValue().startsWith("#")) {
            base = outer;
          }
          break;
        }
      }
      for (String key : new String[] {"$anchor", "$dynamicAnchor"}) {
        JsonNode anchor = node.get(key);
        if (anchor != null && anchor.isTextual()) {
          named.putIfAbsent(
              resolve(base, "#" + anchor.textValue()).toString(), new Place(node, pointer));
        }
      }
    }
    if (node.isObject()) {
      bases.put(node, base);
    }
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      if (!VALUES.contains(entry.getKey())) {
        scan(entry.getValue(), child(pointer, entry.getKey()), base);
      }
    }
    if (node.isArray()) {
      for (int i = 0; i < node.size(); i++) {
        scan(node.get(i), pointer + "/" + i, base);
      }
    }
  }

  private static URI resolve(URI base, String reference) {
    try {
      if (reference.startsWith("#")) {
        String whole = base.toString();
        int end = whole.indexOf('#');
        return URI.create((end < 0 ? whole : whole.substring(0, end)) + reference);
      }
      return base.resolve(reference);
    } catch (IllegalArgumentException _) {
      return base;
    }
  }

  /** Where a reference in {@code from} leads. */
  Place target(JsonNode from, String pointer, String reference) {
    String at = child(pointer, "$ref");
    URI base = bases.getOrDefault(from, NO_BASE);
    String whole = resolve(base, reference).toString();
    Place found = named.get(whole);
    if (found != null) {
      return found;
    }
    int hash = whole.indexOf('#');
    String document = hash < 0 ? whole : whole.substring(0, hash);
    String fragment =
        hash < 0
            ? ""
            : URLDecoder.decode(
                whole.substring(hash + 1).replace("+", "%2B"), StandardCharsets.UTF_8);
    Place start = document.isEmpty() ? new Place(root, "") : named.get(document);
    if (start == null && named.isEmpty() && reference.startsWith("#")) {
      start = new Place(root, "");
    }
    if (start == null) {
      throw new SchemaException(
          at, "expected a reference within the schema, found '" + reference + "'; put it there");
    }
    if (!fragment.isEmpty() && !fragment.startsWith("/")) {
      throw new SchemaException(at, "expected an anchor of the schema, found '" + reference + "'");
    }
    JsonNode node = start.node();
    String result = start.pointer();
    for (String key : fragment.isEmpty() ? new String[0] : fragment.substring(1).split("/", -1)) {
      String name = key.replace("~1", "/").replace("~0", "~");
      node =
          node.isArray() && name.matches("\\d{1,9}")
              ? node.path(Integer.parseInt(name))
              : node.path(name);
      result = child(result, name);
    }
    if (node.isMissingNode()) {
      throw new SchemaException(at, "expected a place in the schema, found '" + reference + "'");
    }
    return new Place(node, result);
  }
}
