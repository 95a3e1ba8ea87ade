package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A tensor by the name and in the shape that a GGUF has it, whatever checkpoint it is from. Its
 * rows come in slices, one after the other, so that memory need not hold all of it.
 *
 * @param shape outermost dimension first; the last is the length of a row
 * @param encoding of what the slices give
 * @param layer −1 for tensors of the whole model
 * @param file where most of it lies, for messages
 * @param sliceCount slices, all of as many rows
 */
public record GgufTensor(
    String name,
    List<Long> shape,
    Encoding encoding,
    int layer,
    Path file,
    int sliceCount,
    Slices slices) {

  /** How slices are come by. */
  @FunctionalInterface
  public interface Slices {
    /**
     * Slice {@code i}: where it is mapped, or made anew.
     *
     * @param arena owner of what is made
     */
    HostTensor get(int i, Arena arena);
  }

  public GgufTensor {
    shape = List.copyOf(shape);
  }

  static GgufTensor whole(String name, int layer, Path file, HostTensor t) {
    List<Long> shape = t.rows() == 1 ? List.of(t.cols()) : List.of(t.rows(), t.cols());
    return new GgufTensor(name, shape, t.encoding(), layer, file, 1, (_, _) -> t);
  }

  /** Length of a row. */
  public long cols() {
    return shape.getLast();
  }

  public long rows() {
    return shape.subList(0, shape.size() - 1).stream().reduce(1L, (a, b) -> a * b);
  }

  public long elements() {
    return rows() * cols();
  }

  /** Rows of one of the matrices that lie on each other in a tensor of three dimensions. */
  public long matrixRows() {
    return shape.size() < 3 ? rows() : shape.get(shape.size() - 2);
  }

  public long bytes() {
    return encoding.byteSize(rows(), cols());
  }

  /** What the tensor is, without its number of a layer: {@code ffn_down_exps.weight}. */
  public String kind() {
    return layer < 0 ? name : name.replaceFirst("^blk\\.\\d+\\.", "");
  }

  static Optional<Integer> layerOf(String name) {
    return name.matches("blk\\.\\d{1,6}\\..*")
        ? Optional.of(Integer.valueOf(name.substring(4, name.indexOf('.', 4))))
        : Optional.empty();
  }
}
