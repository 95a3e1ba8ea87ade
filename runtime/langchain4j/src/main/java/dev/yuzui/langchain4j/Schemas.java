package dev.yuzui.langchain4j;

import dev.langchain4j.internal.JsonSchemaElementJsonUtils;
import dev.langchain4j.model.chat.request.json.JsonAnyOfSchema;
import dev.langchain4j.model.chat.request.json.JsonArraySchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchemaElement;
import java.util.LinkedHashMap;
import java.util.Map;

/** LangChain4j's schemas as JSON values. */
final class Schemas {
  private Schemas() {}

  static Map<String, Object> of(JsonSchemaElement schema) {
    return JsonSchemaElementJsonUtils.toMap(schema);
  }

  /**
   * Objects that list their properties have no others, where the schema does not say so: a class
   * that an answer is read into has no place for them.
   */
  static Map<String, Object> closed(JsonSchemaElement schema) {
    return of(close(schema));
  }

  private static JsonSchemaElement close(JsonSchemaElement schema) {
    return switch (schema) {
      case JsonObjectSchema object -> {
        JsonObjectSchema.Builder closed =
            JsonObjectSchema.builder()
                .description(object.description())
                .addProperties(close(object.properties()))
                .required(object.required())
                .definitions(close(object.definitions()));
        yield object.additionalProperties() == null && !object.properties().isEmpty()
            ? closed.additionalProperties(false).build()
            : closed.additionalProperties(object.additionalProperties()).build();
      }
      case JsonArraySchema array when array.items() != null ->
          JsonArraySchema.builder()
              .description(array.description())
              .items(close(array.items()))
              .build();
      case JsonAnyOfSchema any ->
          JsonAnyOfSchema.builder()
              .description(any.description())
              .anyOf(any.anyOf().stream().map(Schemas::close).toList())
              .build();
      default -> schema;
    };
  }

  private static Map<String, JsonSchemaElement> close(Map<String, JsonSchemaElement> schemas) {
    Map<String, JsonSchemaElement> closed = new LinkedHashMap<>();
    schemas.forEach((name, schema) -> closed.put(name, close(schema)));
    return closed;
  }
}
