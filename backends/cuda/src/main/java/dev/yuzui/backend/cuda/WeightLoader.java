package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import jcuda.driver.CUevent;

/**
 * Streams weights to the device: a part is copied from the mapped file into one of two pinned
 * buffers while the part before is on its way and being repacked. Of weights that repeat a pool the
 * pool alone is brought, and the device copies.
 */
final class WeightLoader implements AutoCloseable {
  private static final long PART = 32L << 20;

  /** Blocks of a grid's second dimension, so strips of a part. */
  private static final long MOST_STRIPS = 65535;

  private static final float F16_MAX = 65504;

  /** Pinned memory and the device memory that it is copied to. */
  private record Stage(MemorySegment pinned, CudaBuffer device, CUevent free) {}

  /** Bytes to bring. */
  private record Source(MemorySegment data, OptionalLong repeatsFrom, long bytes) {
    static Source of(HostTensor w) {
      return new Source(w.data(), w.repeatsFrom(), w.encoding().byteSize(w.rows(), w.cols()));
    }

    static Source of(MemorySegment data) {
      return new Source(data, OptionalLong.empty(), data.byteSize());
    }
  }

  private final Cu cu;
  private final Kernels kernels;
  private final Transfers transfers;
  private final List<Stage> stages = new ArrayList<>();
  private final Map<Long, CudaBuffer> pools = new HashMap<>();
  private int next;

  WeightLoader(Cu cu, Kernels kernels, Transfers transfers) {
    this.cu = cu;
    this.kernels = kernels;
    this.transfers = transfers;
  }

  /**
   * The weight in {@code encoding}: itself, or its numbers in {@code arena}; empty where F16 cannot
   * hold the largest of them.
   */
  static Optional<HostTensor> as(Encoding encoding, HostTensor weight, Arena arena) {
    return encoding.equals(weight.encoding())
        ? Optional.of(weight)
        : converted(whole(weight, arena), encoding, arena);
  }

  private static HostTensor whole(HostTensor w, Arena arena) {
    return w.repeatsFrom().isEmpty()
        ? w
        : w.writtenOut(arena.allocate(w.encoding().byteSize(w.rows(), w.cols()), 64));
  }

  private static Optional<HostTensor> converted(HostTensor w, Encoding encoding, Arena arena) {
    int cols = Math.toIntExact(w.cols());
    MemorySegment out = arena.allocate(encoding.byteSize(w.rows(), cols), 64);
    long rowBytes = encoding.rowBytes(cols);
    boolean fits =
        IntStream.range(0, Math.toIntExact(w.rows()))
            .parallel()
            .mapToObj(
                r -> {
                  float[] row = new float[cols];
                  Dequantizer.row(w, r, row, 0);
                  if (encoding instanceof Encoding.Block) {
                    Lossless.encode(w, r, row, out, r * rowBytes);
                    return true;
                  }
                  Quantizer.encode(encoding, row, 0, cols, out, r * rowBytes);
                  return encoding.equals(Encoding.F32) || fitsF16(row);
                })
            .reduce(true, Boolean::logicalAnd);
    return fits
        ? Optional.of(HostTensor.of(w.name(), encoding, w.rows(), w.cols(), out))
        : Optional.empty();
  }

  private static boolean fitsF16(float[] row) {
    for (float v : row) {
      if (Math.abs(v) > F16_MAX) {
        return false;
      }
    }
    return true;
  }

  /** Brings a weight in one of {@link Tiles#ENCODINGS} to {@code to}, {@link Tiles} says how. */
  synchronized void load(HostTensor w, long to) {
    if (w.encoding().equals(Encoding.F32)) {
      copy(Source.of(w), to);
      return;
    }
    long rowBytes = w.encoding().rowBytes(w.cols());
    long strips = Math.min(MOST_STRIPS, PART / (Tiles.ROWS * rowBytes));
    if (strips == 0) {
      throw new BackendException(
          w + " has rows of " + rowBytes + " bytes",
          "the CUDA backend takes up to " + PART / Tiles.ROWS + " bytes a row; use --backend cpu");
    }
    kernels.prepare(w.encoding());
    Launch[] repack = new Launch[1];
    try (Arena arena = Arena.ofConfined()) {
      for (long row = 0; row < w.rows(); row += strips * Tiles.ROWS) {
        long rows = Math.min(strips * Tiles.ROWS, w.rows() - row);
        long tiles = to + Tiles.tileBytes(w.encoding(), row, w.cols());
        stage(
            Source.of(w),
            row * rowBytes,
            rows * rowBytes,
            (stage, stream) -> {
              if (repack[0] == null) {
                repack[0] = new Launch(cu, stream, arena);
              }
              repack[0]
                  .of(kernels.get("repack_" + Tiles.suffix(w.encoding())))
                  .grid(
                      Math.ceilDiv(w.cols(), (long) Tiles.cols(w.encoding())),
                      Math.ceilDiv(rows, (long) Tiles.ROWS))
                  .p(stage.device().address())
                  .p(tiles)
                  .i(rows)
                  .i(w.cols())
                  .run();
            });
      }
    }
    if (w.encoding() instanceof Encoding.Fp8Tiled) {
      MemorySegment scales =
          w.scales()
              .orElseThrow(
                  () ->
                      new BackendException(
                          w + " has no scales", "upload FP8 weights with HostTensor.scales"));
      copy(
          Source.of(scales), to + Tiles.aligned(Tiles.tileBytes(w.encoding(), w.rows(), w.cols())));
    }
  }

  private void copy(Source from, long to) {
    for (long at = 0; at < from.bytes(); at += PART) {
      long done = at;
      long bytes = Math.min(PART, from.bytes() - at);
      stage(
          from,
          at,
          bytes,
          (stage, stream) -> cu.withinDevice(to + done, stage.device().address(), bytes, stream));
    }
  }

  private interface Use {
    void of(Stage stage, Address.Stream stream);
  }

  private void stage(Source from, long at, long bytes, Use use) {
    Stage stage = stage();
    if (from.repeatsFrom().isPresent()) {
      CudaBuffer pool = pool(from.data());
      long start = (from.repeatsFrom().getAsLong() + at) % pool.byteSize();
      transfers.enqueue(
          stream -> {
            repeat(pool, start, stage.device().address(), bytes, stream);
            use.of(stage, stream);
            cu.record(stage.free(), stream);
          });
      return;
    }
    cu.await(stage.free(), "copying weights to the device");
    copyParallel(from.data().asSlice(at, bytes), stage.pinned());
    transfers.enqueue(
        stream -> {
          cu.toDevice(stage.device().address(), stage.pinned().asSlice(0, bytes), stream);
          use.of(stage, stream);
          cu.record(stage.free(), stream);
        });
  }

  private CudaBuffer pool(MemorySegment data) {
    return pools.computeIfAbsent(
        data.address(),
        _ -> {
          CudaBuffer pool = new CudaBuffer(cu, data.byteSize(), "weights that repeat", _ -> {});
          transfers.write(pool.address(), data);
          return pool;
        });
  }

  private void repeat(CudaBuffer pool, long start, long to, long bytes, Address.Stream stream) {
    long from = start;
    for (long done = 0; done < bytes; from = 0) {
      long run = Math.min(pool.byteSize() - from, bytes - done);
      cu.withinDevice(to + done, pool.address() + from, run, stream);
      done += run;
    }
  }

  private Stage stage() {
    if (stages.size() < 2) {
      stages.add(
          new Stage(
              cu.allocatePinned(PART),
              new CudaBuffer(cu, PART, "weights on their way", _ -> {}),
              cu.event()));
      return stages.getLast();
    }
    next = 1 - next;
    return stages.get(1 - next);
  }

  /** One thread does not read a mapped file as fast as the device takes it. */
  private static void copyParallel(MemorySegment from, MemorySegment to) {
    long piece = 4L << 20;
    IntStream.range(0, Math.toIntExact(Math.ceilDiv(from.byteSize(), piece)))
        .parallel()
        .forEach(
            i -> {
              long at = i * piece;
              MemorySegment.copy(from, at, to, at, Math.min(piece, from.byteSize() - at));
            });
  }

  @Override
  public synchronized void close() {
    for (Stage stage : stages) {
      cu.freePinned(stage.pinned());
      stage.device().release();
      cu.close(stage.free());
    }
    stages.clear();
    pools.values().forEach(CudaBuffer::release);
    pools.clear();
  }
}
