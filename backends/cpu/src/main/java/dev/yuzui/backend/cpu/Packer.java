package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

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
  private final Optional<RepackStore> store;
  private final List<Region> regions = new ArrayList<>();
  private long used;

  /**
   * @param store of strips from other starts
   */
  Packer(StripKernels kernels, SystemCalls system, Optional<RepackStore> store) {
    this.kernels = kernels;
    this.system = system;
    this.store = store;
  }

  /** Nothing, if the kernels do not take the encoding. */
  Optional<Packed> pack(HostTensor weight) {
    return type(weight.encoding()).map(type -> pack(type, weight));
  }

  boolean packs(Encoding encoding) {
    return type(encoding).isPresent();
  }

  Optional<StripType> type(Encoding encoding) {
    return StripType.of(encoding).filter(kernels::takes);
  }

  private Packed pack(StripType type, HostTensor weight) {
    return pack(type, List.of(weight)).getFirst();
  }

  /** Weights of one type, one behind the other, by all processors together. */
  List<Packed> pack(StripType type, List<HostTensor> weights) {
    List<Packed> all = new ArrayList<>();
    List<Piece> pieces = new ArrayList<>();
    List<Runnable> done = new ArrayList<>();
    for (HostTensor weight : weights) {
      int rows = Math.toIntExact(weight.rows());
      int cols = Math.toIntExact(weight.cols());
      long bytes = kernels.packedBytes(type, rows, cols);
      Optional<Packed> kept = store.flatMap(s -> s.find(type, weight, bytes, weights.size() == 1));
      Packed packed =
          kept.orElseGet(() -> new Packed(type, allocate(bytes, weight), rows, cols, bytes));
      all.add(packed);
      if (kept.isEmpty()) {
        pieces.addAll(pieces(packed, weight));
        done.add(() -> store.ifPresent(s -> s.add(weight, packed)));
      }
    }
    fill(pieces);
    done.forEach(Runnable::run);
    forget(pieces.stream().map(Piece::weight).distinct().map(HostTensor::data).toList());
    return all;
  }

  /** Rows of a weight that a thread takes together. */
  private record Piece(HostTensor weight, Packed packed, Matrix file, int from, int count) {}

  /** Puts a weight into strips that are there, of its encoding and shape. */
  void fill(Packed packed, HostTensor weight) {
    fill(pieces(packed, weight));
    if (weight.data().isMapped()) {
      system.forget(weight.data()); // one at a time while a model runs: it would add up
    }
  }

  private static List<Piece> pieces(Packed packed, HostTensor weight) {
    int rows = packed.rows();
    int cols = packed.cols();
    if (rows == 0 || cols == 0) {
      return List.of();
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
        packed.type() == StripType.FP8
            ? StripType.FP8_TILE
            : (int) Math.max(1, PIECE / (Packed.ROWS * file.rowBytes())) * Packed.ROWS;
    return IntStream.iterate(0, from -> from < rows, from -> from + pieceRows)
        .mapToObj(from -> new Piece(weight, packed, file, from, Math.min(pieceRows, rows - from)))
        .toList();
  }

  /**
   * Each thread has pieces that lie together, far from the others': two that touch a huge page
   * first at the same time would both make one.
   */
  private void fill(List<Piece> pieces) {
    pieces.parallelStream()
        .forEach(
            piece -> {
              Packed packed = piece.packed();
              Matrix file = piece.file();
              int from = piece.from();
              long scales = file.scales() == 0 ? 0 : file.scaleRow(from, StripType.FP8_TILE);
              long to = packed.address() + from / Packed.ROWS * packed.stripBytes();
              kernels.pack(packed.type(), file.row(from), scales, piece.count(), packed.cols(), to);
            });
  }

  /**
   * Gives back what was read of a file. The experts of a layer lie together and are one range: each
   * call stops every thread. A range of less than a huge page is not worth one.
   */
  private void forget(List<MemorySegment> read) {
    long from = 0;
    long to = 0;
    for (MemorySegment data : read) {
      if (!data.isMapped()) {
        continue;
      }
      if (data.address() != to) {
        forget(from, to);
        from = data.address();
      }
      to = data.address() + data.byteSize();
    }
    forget(from, to);
  }

  private void forget(long from, long to) {
    if (to - from >= HUGE_PAGE) {
      system.forget(Memory.ALL.asSlice(from, to - from));
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
    MemorySegment from = weight.data();
    LongStream.range(0, Math.ceilDiv(from.byteSize(), HUGE_PAGE))
        .map(page -> page * HUGE_PAGE)
        .parallel()
        .forEach(
            at -> MemorySegment.copy(from, at, to, at, Math.min(HUGE_PAGE, from.byteSize() - at)));
    forget(List.of(from));
    return HostTensor.of(weight.name(), weight.encoding(), weight.rows(), weight.cols(), to);
  }

  /** A weight as it is, in memory that {@link #move} gave one of its size; empty if it did not. */
  Optional<HostTensor> moveTo(MemorySegment place, HostTensor weight) {
    return owns(place.address()) ? Optional.of(moved(weight, place)) : Optional.empty();
  }

  /** Whether {@code address} is of memory that may be written: strips of a file may not. */
  synchronized boolean owns(long address) {
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

  /** All weights are there. */
  void complete() {
    store.ifPresent(RepackStore::complete);
  }

  @Override
  public void close() {
    store.ifPresent(RepackStore::close);
    regions.forEach(r -> system.release(r.address(), r.bytes()));
    regions.clear();
  }
}
