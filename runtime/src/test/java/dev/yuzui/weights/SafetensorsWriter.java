package dev.yuzui.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes safetensors as the format's page says, knowing nothing of the reader. */
final class SafetensorsWriter {
  record Entry(String dtype, List<Long> shape, byte[] data) {}

  final Map<String, Entry> tensors = new LinkedHashMap<>();

  SafetensorsWriter tensor(String name, String dtype, byte[] data, Long... shape) {
    tensors.put(name, new Entry(dtype, List.of(shape), data));
    return this;
  }

  byte[] bytes() {
    return bytes(header());
  }

  /** The data behind a header of the test's own making. */
  byte[] bytes(String header) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
    out.writeBytes(json);
    tensors.values().forEach(t -> out.writeBytes(t.data));
    return out.toByteArray();
  }

  /** JSON padded with spaces to a multiple of eight. */
  String header() {
    Map<String, Object> header = new LinkedHashMap<>();
    header.put("__metadata__", Map.of("format", "pt"));
    long offset = 0;
    for (Map.Entry<String, Entry> e : tensors.entrySet()) {
      Entry t = e.getValue();
      header.put(
          e.getKey(),
          Map.of(
              "dtype",
              t.dtype,
              "shape",
              t.shape,
              "data_offsets",
              List.of(offset, offset + t.data.length)));
      offset += t.data.length;
    }
    String json = json(header);
    return json + " ".repeat(-json.getBytes(StandardCharsets.UTF_8).length & 7);
  }

  static String json(Object value) {
    try {
      return new ObjectMapper().writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
