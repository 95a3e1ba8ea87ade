package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;

/** What a matrix is come by: it lies in the file as it is wanted, or is made of what lies there. */
sealed interface MatrixSource permits MatrixSource.Mapped, Fp4Pairs {
  String name();

  Encoding encoding();

  long rows();

  long cols();

  /**
   * The matrix: where it is mapped, or made anew.
   *
   * @param arena owner of what is made
   */
  HostTensor matrix(Arena arena);

  /** What lies in the file. */
  List<MemorySegment> stored();

  /** Bytes that {@link #matrix} makes. */
  long madeBytes();

  /** As it lies in the file. */
  record Mapped(HostTensor tensor) implements MatrixSource {
    @Override
    public String name() {
      return tensor.name();
    }

    @Override
    public Encoding encoding() {
      return tensor.encoding();
    }

    @Override
    public long rows() {
      return tensor.rows();
    }

    @Override
    public long cols() {
      return tensor.cols();
    }

    @Override
    public HostTensor matrix(Arena arena) {
      return tensor;
    }

    @Override
    public List<MemorySegment> stored() {
      return Stream.concat(Stream.of(tensor.data()), tensor.scales().stream()).toList();
    }

    @Override
    public long madeBytes() {
      return 0;
    }
  }
}
