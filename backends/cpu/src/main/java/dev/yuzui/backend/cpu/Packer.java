package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Puts weights into huge pages of its own: most of them into strips, on all processors. The pages
 * of the file are given back, so that no second copy stays resident.
 */
final class Packer implements AutoCloseable {
  /** Address space at a time; pages that no weight touches cost nothing. */
  private static final long REGION = 1L << 30;

  private static final long HUGE_PAGE = 2L << 20;
  private static final long ALIGN = 64;

  /** File bytes that one thread takes at a time. */
  private static final long PIECE = 256 << 10;

  private record Region(long address, long bytes) {}

  private final StripKernels kernels;
  private final SystemCalls system;
  private final List<Region> regions = new ArrayList<>();
  private long used;

  Packer(StripKernels kernels, SystemCalls system) {
    this.kernels = kernels;
    this.system = system;
  }

  /** Nothing, if the kernels do not take the encoding. */
  Optional<Packed> pack(HostTensor weight) {
    return type(weight.encoding()).map(type -> pack(type, weight));
  }

  boolean packs(Encoding encoding) {
    return type(encoding).isPresent();
  }

  private Optional<StripType> type(Encoding encoding) {
    return StripType.of(encoding).filter(kernels::takes);
  }

  private Packed pack(StripType type, HostTensor weight) {
    int rows = Math.toIntExact(weight.rows());
    int cols = Math.toIntExact(weight.cols());
    long bytes = kernels.packedBytes(type, rows, cols);
    Packed packed = new Packed(type, allocate(bytes, weight), rows, cols, bytes);
    fill(packed, weight);
    return packed;
  }

  /** Puts a weight into strips that are there, of its encoding and shape. */
  void fill(Packed packed, HostTensor weight) {
    StripType type = packed.type();
    int rows = packed.rows();
    int cols = packed.cols();
    if (rows == 0 || cols == 0) {
      return;
    }
    Matrix file =
        new Matrix(
            weight.encoding(),
            weight.data().address(),
            weight.scales().map(MemorySegment::address).orElse(0L),
            rows,
            cols,
            weight.encoding().rowBytes(cols));
    int pieceRows =
        type == StripType.FP8
            ? StripType.FP8_TILE
            : (int) Math.max(1, PIECE / (Packed.ROWS * file.rowBytes())) * Packed.ROWS;
    IntStream.range(0, Math.ceilDiv(rows, pieceRows))
        .parallel()
        .forEach(
            piece -> {
              int from = piece * pieceRows;
              int count = Math.min(pieceRows, rows - from);
              long scales = file.scales() == 0 ? 0 : file.scaleRow(from, StripType.FP8_TILE);
              long to = packed.address() + from / Packed.ROWS * packed.stripBytes();
              kernels.pack(type, file.row(from), scales, count, cols, to);
            });
    if (weight.data().isMapped()) {
      system.forget(weight.data());
    }
  }

  /**
   * A table or a router as it is, in huge pages: a row of a table that was not used for a while
   * would be read from the file again. Weights that are not mapped stay where they are.
   */
  HostTensor move(HostTensor weight) {
    MemorySegment data = weight.data();
    if (!data.isMapped() || weight.scales().isPresent()) {
      return weight;
    }
    MemorySegment to = Memory.ALL.asSlice(allocate(data.byteSize(), weight), data.byteSize());
    return moved(weight, to);
  }

  private HostTensor moved(HostTensor weight, MemorySegment to) {
    to.copyFrom(weight.data());
    if (weight.data().isMapped()) {
      system.forget(weight.data());
    }
    return HostTensor.of(weight.name(), weight.encoding(), weight.rows(), weight.cols(), to);
  }

  /** A weight as it is, in memory that {@link #move} gave one of its size; empty if it did not. */
  Optional<HostTensor> moveTo(MemorySegment place, HostTensor weight) {
    return owns(place.address()) ? Optional.of(moved(weight, place)) : Optional.empty();
  }

  private synchronized boolean owns(long address) {
    return regions.stream()
        .anyMatch(r -> address >= r.address() && address < r.address() + r.bytes());
  }

  /** Memory that was given to weights. */
  synchronized long bytes() {
    return regions.stream().mapToLong(Region::bytes).sum()
        - (regions.isEmpty() ? 0 : regions.getLast().bytes() - used);
  }

  private synchronized long allocate(long bytes, HostTensor weight) {
    if (regions.isEmpty() || used + bytes > regions.getLast().bytes()) {
      long size = Math.ceilDiv(Math.max(bytes, REGION), HUGE_PAGE) * HUGE_PAGE;
      long address = system.reserve(size);
      if (address == 0) {
        throw new BackendException(
            "no " + size + " bytes of address space to repack " + weight,
            "raise the limit (ulimit -v), or give --no-repack");
      }
      regions.add(new Region(address, size));
      used = 0;
    }
    long at = regions.getLast().address() + used;
    used += Math.ceilDiv(bytes, ALIGN) * ALIGN;
    return at;
  }

  @Override
  public void close() {
    regions.forEach(r -> system.release(r.address(), r.bytes()));
    regions.clear();
  }
}
