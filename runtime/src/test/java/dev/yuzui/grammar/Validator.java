package dev.yuzui.grammar;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.util.List;
import java.util.Optional;

/** networknt's, with formats asserted. */
final class Validator {
  private final Schema schema;

  Validator(String text) {
    this(text, SpecificationVersion.DRAFT_2020_12);
  }

  Validator(String text, SpecificationVersion version) {
    schema = SchemaRegistry.withDefaultDialect(version).getSchema(text, InputFormat.JSON);
  }

  /** By the draft that the schema names; empty where the validator cannot read it. */
  static Optional<Validator> of(String text) {
    SpecificationVersion version =
        text.contains("draft-04/schema")
            ? SpecificationVersion.DRAFT_4
            : text.contains("draft-06/schema")
                ? SpecificationVersion.DRAFT_6
                : text.contains("draft-07/schema")
                    ? SpecificationVersion.DRAFT_7
                    : SpecificationVersion.DRAFT_2020_12;
    try {
      return Optional.of(new Validator(text, version));
    } catch (RuntimeException e) {
      return Optional.empty();
    }
  }

  List<String> errors(String value) {
    return schema
        .validate(
            value,
            InputFormat.JSON,
            context -> context.executionConfig(config -> config.formatAssertionsEnabled(true)))
        .stream()
        .map(Object::toString)
        .toList();
  }
}
