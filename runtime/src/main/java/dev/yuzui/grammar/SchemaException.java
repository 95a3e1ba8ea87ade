package dev.yuzui.grammar;

/** A schema that is malformed, or asks for something that cannot be honoured, and where. */
public final class SchemaException extends GrammarException {
  private static final long serialVersionUID = 1L;

  private final String pointer;

  SchemaException(String pointer, String message) {
    super("schema, '" + pointer + "': " + message);
    this.pointer = pointer;
  }

  SchemaException(String pointer, GrammarException cause) {
    super("schema, '" + pointer + "': " + cause.getMessage(), cause);
    this.pointer = pointer;
  }

  /** A JSON pointer into the schema. */
  public String pointer() {
    return pointer;
  }
}
