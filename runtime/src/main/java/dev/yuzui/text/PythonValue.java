package dev.yuzui.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.hubspot.jinjava.objects.collections.PyList;
import com.hubspot.jinjava.objects.collections.PyMap;
import com.hubspot.jinjava.objects.serialization.PyishSerializable;
import com.hubspot.jinjava.util.HasObjectTruthValue;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Python's two kinds of nothing, which Java's null cannot tell apart. Both are false; printing
 * either is allowed; joining either to a text is an error, as it is in Jinja, rather than the word
 * "null" in a prompt.
 */
enum PythonValue implements PyishSerializable, HasObjectTruthValue {
  NONE("None"),
  UNDEFINED("");

  private final String printed;

  PythonValue(String printed) {
    this.printed = printed;
  }

  @Override
  public boolean getObjectTruthValue() {
    return false;
  }

  @Override
  public <T extends Appendable & CharSequence> T appendPyishString(T out) throws IOException {
    out.append(printed);
    return out;
  }

  @Override
  public void writePyishSelf(JsonGenerator generator, SerializerProvider provider)
      throws IOException {
    generator.writeNull();
  }

  /** jinjava's + calls this, and nothing else does. */
  @Override
  public String toString() {
    throw new TextException(
        this == NONE ? "None is no text" : "a value that is not defined is no text");
  }

  /** {@code value} as templates see it: null becomes None, however deep. */
  static Object of(Object value) {
    return switch (value) {
      case null -> NONE;
      case Map<?, ?> map -> {
        Map<String, Object> out = new LinkedHashMap<>();
        map.forEach((key, v) -> out.put(String.valueOf(key), of(v)));
        yield new Mapping(out);
      }
      case List<?> list -> {
        List<Object> out = new ArrayList<>();
        list.forEach(v -> out.add(of(v)));
        yield new PyList(out);
      }
      case Integer i -> i.longValue();
      default -> value;
    };
  }

  static boolean isNone(Object value) {
    return value == NONE;
  }

  /** jinjava's own nulls come from an {@code if} without else and the like. */
  static boolean isUndefined(Object value) {
    return value == null || value == UNDEFINED;
  }

  private static final class Mapping extends PyMap {
    Mapping(Map<String, Object> map) {
      super(map);
    }

    @Override
    public String toString() {
      throw new TextException("a mapping is no text; tool arguments may have to be a JSON string");
    }
  }
}
