package dev.yuzui.weights;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** JSON objects of a checkpoint, in plain Java types; duplicate keys and trailing text refused. */
public final class Json {
  /** V3's safetensors index, one of the largest, takes 9 MB. */
  private static final long MAX_BYTES = 32 << 20;

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  // tensor names are as many as different
                  .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                  .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  static Map<String, Object> object(Path file) {
    return object(file, "file", Mapping.read(file, MAX_BYTES));
  }

  static Map<String, Object> object(Path file, String what, byte[] json) {
    try {
      Map<String, Object> object = MAPPER.readValue(json, new TypeReference<>() {});
      if (object != null) {
        return object;
      }
      throw new WeightException(file, what, "a JSON object", "null", "download the file again");
    } catch (JacksonException e) {
      throw new WeightException(
          file, what, "a JSON object", e.getOriginalMessage(), "download the file again");
    } catch (IOException e) {
      throw Mapping.unreadable(file, e);
    }
  }
}
