package dev.yuzui.text;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/** Makes events of calls as they are read. */
final class CallWriter {
  private final OutputFormat format;
  private final int before;
  private final Consumer<OutputEvent> out;
  private final Set<String> arguments = new HashSet<>();
  private int index = -1;
  private boolean begun;

  /**
   * @param before calls that the conversation has already
   */
  CallWriter(OutputFormat format, int before, Consumer<OutputEvent> out) {
    this.format = format;
    this.before = before;
    this.out = out;
  }

  void begin(String name) {
    index++;
    begun = false;
    arguments.clear();
    out.accept(new OutputEvent.CallBegin(index, format.id(name, before + index), name));
  }

  /** More of the arguments' JSON. */
  void json(String text) {
    if (!text.isEmpty()) {
      begun = true;
      out.accept(new OutputEvent.CallArguments(index, MarkSpelling.shown(text)));
    }
  }

  /** An argument follows; false, and it is to be passed over, if the call has it already. */
  boolean argument(String name) {
    if (!arguments.add(name)) {
      return false;
    }
    json((begun ? ", " : "{") + Json.write(name, Map.of()) + ": ");
    return true;
  }

  /** A part of a text, between quotes that are written apart. */
  void textPart(String text) {
    String quoted = Json.write(MarkSpelling.shown(text), Map.of());
    json(quoted.substring(1, quoted.length() - 1));
  }

  /**
   * An argument's value that may be no text; it is one where it is no JSON.
   *
   * @param types that it may have; empty: any. Where a text is among them, so is JSON of another.
   */
  void value(String text, Set<String> types) {
    String shown = MarkSpelling.shown(text);
    boolean value = Json.isValue(shown);
    if (value && types.contains("string")) {
      value = Tool.isOne(Json.read(shown), types);
    }
    json(value ? shown.strip() : Json.write(shown, Map.of()));
  }

  /** The arguments, which were written one by one, are all. */
  void endArguments() {
    json(begun ? "}" : "{}");
    end();
  }

  /** The arguments are all. */
  void end() {
    if (!begun) {
      json("{}");
    }
    out.accept(new OutputEvent.CallEnd(index));
  }

  /** What was no call after all. */
  void content(String text) {
    if (!text.isEmpty()) {
      out.accept(new OutputEvent.Content(MarkSpelling.shown(text)));
    }
  }

  /** The schema of an argument; one that says nothing where there is none. */
  static Map<?, ?> schema(List<Tool> tools, String tool, String argument) {
    return tools.stream()
        .filter(t -> t.name().equals(tool))
        .flatMap(t -> t.parameter(argument).stream())
        .findFirst()
        .orElse(Map.of());
  }
}
