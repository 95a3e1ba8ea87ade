package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.Gbnf;
import dev.yuzui.grammar.GrammarSource.JsonObject;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Named;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.JsonLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What an answer may be: OpenAI's {@code response_format}, vLLM's {@code structured_outputs}, and
 * the {@code guided_…} that it had before.
 */
final class ResponseForm {
  static final Set<String> FIELDS =
      Set.of(
          "structured_outputs",
          "guided_json",
          "guided_regex",
          "guided_choice",
          "guided_grammar",
          "guided_decoding_backend",
          "guided_whitespace_pattern",
          "structural_tag");

  private static final Set<String> OF_STRUCTURED =
      Set.of("json", "regex", "choice", "grammar", "json_object");

  private ResponseForm() {}

  static Optional<GrammarSource> of(RequestFields body) {
    body.refuse(
        "guided_whitespace_pattern", "none, for white space follows the grammar", Set.of("\"\""));
    body.refuse("structural_tag", "none, for tools say it", Set.of());
    List<String> given = new ArrayList<>();
    List<GrammarSource> found = new ArrayList<>();
    add("response_format", responseFormat(body), given, found);
    body.get("structured_outputs")
        .ifPresent(node -> add("structured_outputs", structured(node), given, found));
    add("guided_json", body.get("guided_json").map(n -> json("guided_json", n)), given, found);
    add("guided_regex", body.text("guided_regex").map(Pattern::new), given, found);
    add(
        "guided_choice",
        body.get("guided_choice").map(n -> choices("guided_choice", n)),
        given,
        found);
    add("guided_grammar", body.text("guided_grammar").map(Gbnf::new), given, found);
    if (found.size() > 1) {
      throw RequestProblem.request(
          String.join(", ", given) + ": expected one of them, found " + found.size());
    }
    return found.stream().findFirst();
  }

  private static void add(
      String name,
      Optional<? extends GrammarSource> source,
      List<String> given,
      List<GrammarSource> found) {
    source.ifPresent(
        one -> {
          given.add(name);
          found.add(one instanceof Named ? one : new Named(name, one));
        });
  }

  private static Optional<GrammarSource> responseFormat(RequestFields body) {
    Optional<JsonNode> given = body.get("response_format");
    if (given.isEmpty()) {
      return Optional.empty();
    }
    JsonNode node = given.get();
    return switch (node.path("type").asText()) {
      case "text" -> Optional.empty();
      case "json_object" -> Optional.of(new JsonObject(JsonLayout.SPACED));
      case "json_schema" -> {
        JsonNode schema = node.path("json_schema").path("schema");
        if (!schema.isObject() && !schema.isBoolean()) {
          throw RequestProblem.field(
              "response_format",
              "{\"type\": \"json_schema\", \"json_schema\": {\"name\", \"schema\"}}",
              node.toString());
        }
        yield Optional.of(json("response_format.json_schema.schema", schema));
      }
      default ->
          throw RequestProblem.field(
              "response_format",
              "a type of text, json_object or json_schema",
              node.path("type").toString());
    };
  }

  private static Optional<GrammarSource> structured(JsonNode node) {
    RequestFields fields = new RequestFields(node);
    List<String> names = new ArrayList<>();
    node.fieldNames()
        .forEachRemaining(
            name -> {
              if (!fields.has(name)) {
                return;
              }
              if (!OF_STRUCTURED.contains(name)) {
                throw RequestProblem.field(
                    "structured_outputs",
                    "one of " + OF_STRUCTURED.stream().sorted().toList(),
                    name);
              }
              names.add(name);
            });
    if (!node.isObject() || names.size() != 1) {
      throw RequestProblem.field(
          "structured_outputs",
          "one of " + OF_STRUCTURED.stream().sorted().toList(),
          node.toString());
    }
    String name = names.getFirst();
    String where = "structured_outputs." + name;
    return switch (name) {
      case "json" -> Optional.of(json(where, node.get(name)));
      case "regex" -> fields.text(name).map(Pattern::new).map(p -> new Named(where, p));
      case "choice" -> Optional.of(new Named(where, choices(where, node.get(name))));
      case "grammar" -> fields.text(name).map(Gbnf::new).map(g -> new Named(where, g));
      default ->
          fields.flag(name).orElse(false)
              ? Optional.of(new JsonObject(JsonLayout.SPACED))
              : Optional.empty();
    };
  }

  /** A schema, or the text of one. */
  private static GrammarSource json(String where, JsonNode node) {
    return new Named(where, new JsonSchema(node.isTextual() ? node.textValue() : node.toString()));
  }

  private static GrammarSource choices(String where, JsonNode node) {
    List<String> texts = new ArrayList<>();
    node.forEach(each -> texts.add(each.isTextual() ? each.textValue() : each.toString()));
    if (!node.isArray() || texts.isEmpty()) {
      throw RequestProblem.field(where, "an array of texts", node.toString());
    }
    return new Choices(texts);
  }
}
