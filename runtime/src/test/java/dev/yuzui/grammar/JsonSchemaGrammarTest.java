package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.grammar.GrammarSource.JsonObject;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonSchemaGrammarTest {
  private static final GrammarCompiler COMPILER = new GrammarCompiler(Vocabularies.of());

  @ParameterizedTest
  @MethodSource("dev.yuzui.grammar.SchemaCases#all")
  void aKeywordAllowsWhatItSays(SchemaCases.Case each) {
    Grammar grammar = COMPILER.compile(new JsonSchema(each.schema()));
    each.valid()
        .forEach(
            value ->
                assertTrue(
                    JsonForm.of(grammar, value).isPresent(), each.schema() + " and " + value));
    each.invalid()
        .forEach(
            value ->
                assertEquals(
                    "", JsonForm.of(grammar, value).orElse(""), each.schema() + " and " + value));
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      delimiter = ';',
      value = {
        "{\"properties\":{\"a/b\":{\"minLength\":\"x\"}}}; /properties/a~1b/minLength",
        "{\"type\":\"text\"}; /type",
        "{\"items\":{\"pattern\":\"(?<=a)b\"}}; /items/pattern",
        "{\"allOf\":[{\"uniqueItems\":true}]}; /allOf/0/uniqueItems",
        "{\"format\":\"idn-email\"}; /format",
        "{\"$ref\":\"https://example.org/other\"}; /$ref",
        "{\"$ref\":\"#/$defs/none\"}; /$ref",
        "{\"multipleOf\":0}; /multipleOf",
        "{\"$dynamicRef\":\"#x\"}; /$dynamicRef",
        "{\"contains\":{\"const\":1},\"maxContains\":2}; /maxContains",
        "{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false};"
            + " /unevaluatedProperties",
        "{\"not\":{\"propertyNames\":{\"maxLength\":2}}}; /not",
        "{\"anyOf\":{}}; /anyOf"
      })
  void whatCannotBeHonouredIsNamedByItsPointer(String schema, String pointer) {
    var e = assertThrows(SchemaException.class, () -> COMPILER.compile(new JsonSchema(schema)));
    assertEquals(pointer.strip(), e.pointer(), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{",
        "[]",
        "{\"a\":1,\"a\":2}",
        "false",
        "{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}",
        "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":false}}",
        "{\"$ref\":\"#\"}",
        "{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"n\"]}",
        "{\"type\":\"object\",\"minProperties\":3}"
      })
  void schemasWithoutAValueAndBrokenOnesAreRefused(String schema) {
    assertThrows(GrammarException.class, () -> COMPILER.compile(new JsonSchema(schema)));
  }

  @Test
  void whiteSpaceIsBounded() {
    Grammar spaced =
        COMPILER.compile(new JsonSchema("{\"type\":[\"object\",\"array\"]}", JsonLayout.SPACED));
    for (String text :
        List.of(
            "{\"a\":[1,2],\"b\":{}}",
            "{\"a\": [1, 2], \"b\": {}}",
            "{\n  \"a\": [\n    1,\n    2\n  ]\n}",
            "{\r\n\t\"a\": 1\r\n}",
            "[ 1, 2 ]",
            "[]")) {
      assertTrue(spaced.matches(text.getBytes(StandardCharsets.UTF_8)), text);
    }
    for (String text :
        List.of(" {}", "{} ", "[1,  2]", "[1\n\n]", "{\"a\" :1}", "{\"a\":  1}", "[1")) {
      assertFalse(spaced.matches(text.getBytes(StandardCharsets.UTF_8)), text);
    }
    Grammar compact = COMPILER.compile(new JsonObject(JsonLayout.COMPACT));
    assertTrue(compact.matches("{\"a\": [1,2], \"b\":{}}".getBytes(StandardCharsets.UTF_8)));
    assertFalse(compact.matches("{ \"a\": 1}".getBytes(StandardCharsets.UTF_8)));
    assertFalse(compact.matches("[]".getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void stringsHaveJsonsEscapesAndNoHalfCharacters() {
    Grammar any = COMPILER.compile(new JsonSchema("{\"type\":\"string\"}"));
    for (String text : List.of("\"\\u00e9\\ud83d\\ude00\\/\\n\"", "\"é😀\"", "\"\"")) {
      assertTrue(any.matches(text.getBytes(StandardCharsets.UTF_8)), text);
    }
    for (String text : List.of("\"\n\"", "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\u12\"")) {
      assertFalse(any.matches(text.getBytes(StandardCharsets.UTF_8)), text);
    }
    assertFalse(any.matches(new byte[] {'"', (byte) 0xC3, '"'}));
    assertFalse(any.matches(new byte[] {'"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"'}));
  }

  @Test
  void namesComeInTheSchemasOrderAndOnlyOnce() {
    Grammar grammar =
        COMPILER.compile(
            new JsonSchema(
                "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{}},\"type\":\"object\"}"));
    assertTrue(grammar.matches("{\"a\": 1, \"b\": 2, \"c\": 3}".getBytes(StandardCharsets.UTF_8)));
    assertFalse(grammar.matches("{\"b\": 1, \"a\": 2}".getBytes(StandardCharsets.UTF_8)));
    assertFalse(grammar.matches("{\"c\": 1, \"a\": \"x\"}".getBytes(StandardCharsets.UTF_8)));
    assertFalse(grammar.matches("{\"\\u0061\": \"x\"}".getBytes(StandardCharsets.UTF_8)));
    assertEquals(
        "{\"a\": 1, \"b\": {}, \"z\": 0}",
        JsonForm.of(grammar, "{\"z\":0,\"b\":{},\"a\":1}").orElseThrow());
  }

  @Test
  void hugeSchemasAreCompiledInTime() {
    StringBuilder names = new StringBuilder("{\"enum\":[0");
    for (int i = 0; i < 20_000; i++) {
      names.append(",\"value ").append(i).append('"');
    }
    Grammar many = COMPILER.compile(new JsonSchema(names + "]}"));
    assertTrue(many.matches("\"value 19999\"".getBytes(StandardCharsets.UTF_8)));
    StringBuilder nested = new StringBuilder();
    for (int i = 0; i < 300; i++) {
      nested.append("{\"type\":\"array\",\"items\":");
    }
    COMPILER.compile(new JsonSchema(nested + "{}" + "}".repeat(300)));
    StringBuilder wide = new StringBuilder("{\"allOf\":[{}");
    for (int i = 0; i < 20; i++) {
      wide.append(",{\"anyOf\":[{\"required\":[\"a" + i + "\"]},{\"required\":[\"b" + i + "\"]}]}");
    }
    assertThrows(GrammarException.class, () -> COMPILER.compile(new JsonSchema(wide + "]}")));
  }
}
