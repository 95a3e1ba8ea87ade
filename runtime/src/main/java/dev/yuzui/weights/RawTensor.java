package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A tensor as a file stores it: name, shape and bytes agree with each other and with the file;
 * whether the model wants it is not decided yet.
 *
 * @param type the format's own word: {@code Q4_K}, {@code F8_E4M3}
 * @param encoding empty for types no weight may have
 * @param shape outermost dimension first
 */
record RawTensor(
    String name,
    String type,
    Optional<Encoding> encoding,
    List<Long> shape,
    MemorySegment data,
    Path file) {

  RawTensor renamed(String name) {
    return new RawTensor(name, type, encoding, shape, data, file);
  }

  StoredTensor stored() {
    return new StoredTensor(name, type, shape, data.byteSize(), file);
  }

  long elements() {
    return shape.stream().reduce(1L, (a, b) -> a * b);
  }

  long innermost() {
    return shape.getLast();
  }
}
