package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jcuda.driver.CUevent;

/**
 * What a device can do at most, measured: the roofs that a benchmark's figures are fractions of;
 * and the attention kernel of decode steps alone, which comes close to one of them. Medians of
 * several runs, timed by the device. A simulated device gets small sizes, and figures that mean
 * nothing.
 */
public final class CudaProbe {
  private static final int RUNS = 9;
  private static final long LARGEST_COPY = 2L << 30;
  private static final int MIB = 1 << 20;
  private static final int PAGE_TOKENS = 64;

  private final CudaDevice device;
  private final Consumer<String> notice;

  private CudaProbe(CudaDevice device, Consumer<String> notice) {
    this.device = device;
    this.notice = notice;
  }

  /**
   * @param copyBytesPerSecond read and written, by a kernel that copies a large buffer
   * @param bf16FlopPerSecond of BF16 matrix products with F32 sums, from shared memory or registers
   */
  public record Roofs(String device, double copyBytesPerSecond, double bf16FlopPerSecond) {}

  /**
   * @param sequences that decode one token each
   * @param entries of each sequence, of 576 F16 numbers
   * @param bytesPerSecond of entries alone
   */
  public record LatentDecode(int sequences, int entries, int heads, double bytesPerSecond) {}

  /**
   * The device that {@code --device} would name, or the first.
   *
   * @throws BackendException if there is none that can be used
   */
  public static CudaProbe of(BackendOptions options) {
    Driver.refusal()
        .ifPresent(
            r -> {
              throw new BackendException(r.because(), r.fix());
            });
    List<CudaDevice> devices = Driver.devices();
    return new CudaProbe(
        CudaProvider.named(options.device().orElse("cuda"), devices), options.log());
  }

  public Roofs roofs() {
    try (Cu cu = Cu.open(device);
        Kernels kernels = Kernels.of(cu, false, notice)) {
      return new Roofs(device.name(), copy(cu, kernels), bf16(cu, kernels));
    }
  }

  private double copy(Cu cu, Kernels kernels) {
    long bytes = device.simulated() ? MIB : Math.min(LARGEST_COPY, cu.freeBytes() / 4) / MIB * MIB;
    CudaBuffer from = new CudaBuffer(cu, bytes, "copying", _ -> {});
    CudaBuffer to = new CudaBuffer(cu, bytes, "copying", _ -> {});
    try (Arena arena = Arena.ofShared();
        Transfers transfers = new Transfers(cu)) {
      MemorySegment noise = noise(arena, Encoding.F32, MIB / 4);
      for (long at = 0; at < bytes; at += MIB) {
        transfers.write(from.address() + at, noise);
      }
      double seconds =
          median(
              cu,
              arena,
              launch ->
                  launch
                      .of(kernels.get("probe_copy"))
                      .grid(8L * device.multiprocessors())
                      .block(256)
                      .p(from.address())
                      .p(to.address())
                      .l(bytes / 16)
                      .run());
      return 2 * bytes / seconds;
    } finally {
      from.release();
      to.release();
    }
  }

  private double bf16(Cu cu, Kernels kernels) {
    int rounds = device.simulated() ? 2 : 4000;
    int blocks = device.simulated() ? 2 : 4 * device.multiprocessors();
    CudaBuffer out = new CudaBuffer(cu, 16, "the probe's count of operations", _ -> {});
    try (Arena arena = Arena.ofShared();
        Transfers transfers = new Transfers(cu)) {
      double seconds =
          median(
              cu,
              arena,
              launch ->
                  launch
                      .of(kernels.get("probe_bf16"))
                      .grid(blocks)
                      .block(256)
                      .shared(48 << 10)
                      .p(out.address())
                      .p(out.address() + 8)
                      .i(rounds)
                      .run());
      MemorySegment operations = arena.allocate(ValueLayout.JAVA_LONG);
      transfers.read(operations, out.address() + 8);
      return (double) blocks * operations.get(ValueLayout.JAVA_LONG, 0) / seconds;
    } finally {
      out.release();
    }
  }

  /** Seconds of a launch. */
  private static double median(Cu cu, Arena arena, Consumer<Launch> work) {
    Address.Stream stream = cu.stream();
    CUevent start = cu.timer();
    CUevent end = cu.timer();
    try {
      Launch launch = new Launch(cu, stream, arena);
      double[] seconds = new double[RUNS];
      for (int i = -2; i < RUNS; i++) { // the first two warm up
        cu.record(start, stream);
        work.accept(launch);
        cu.record(end, stream);
        cu.synchronize(stream, "probing");
        seconds[Math.max(i, 0)] = cu.seconds(start, end);
      }
      Arrays.sort(seconds);
      return seconds[RUNS / 2];
    } finally {
      cu.close(start);
      cu.close(end);
      cu.close(stream);
    }
  }

  /**
   * One step's attention in one layer of 16 heads: {@code sequences} tokens, each over {@code
   * entries} entries of its own, which lie in pages in random order.
   */
  public LatentDecode latentDecode(int sequences, int entries) {
    MlaShape shape = new MlaShape(16, 128, 64, 128, 512, (float) (1 / Math.sqrt(192)));
    int pages = Math.ceilDiv(entries, PAGE_TOKENS);
    try (Backend backend =
            new CudaProvider()
                .open(new BackendOptions(0, Optional.of(device.label()), true, _ -> {}));
        Device d = new Device(backend);
        DeviceQueue queue = backend.openQueue()) {
      long rows = (long) sequences * pages * PAGE_TOKENS;
      Tensor cache = d.tensor("cache", Encoding.F16, rows, shape.entry());
      backend.fill(cache, noise(d.arena, Encoding.F16, 4096L * shape.entry()));
      Tensor q = d.tensor("q", Encoding.F32, sequences, (long) shape.heads() * shape.entry());
      backend.fill(q, noise(d.arena, Encoding.F32, q.cols()));
      Tensor out = d.tensor("out", Encoding.F32, sequences, (long) shape.heads() * shape.kvLora());
      StepBatch batch =
          new StepBatch(
              d.ints("token", 1, sequences, _ -> 0),
              d.ints("position", 1, sequences, _ -> entries - 1),
              d.ints("sequence", 1, sequences, i -> i),
              d.ints("kvLength", 1, sequences, _ -> entries),
              d.ints("pages", sequences, pages, shuffled(sequences * pages)),
              d.ints("outputRow", 1, 1, _ -> 0));
      int repeats = device.simulated() ? 2 : 40; // so that starting the replay costs nothing
      double[] seconds = new double[RUNS];
      try (DeviceQueue.Recording recording =
          queue.record(
              () -> {
                for (int i = 0; i < repeats; i++) {
                  queue.ops().mlaDecode(q, new KvCache(cache, PAGE_TOKENS), shape, batch, out);
                }
              })) {
        for (int i = -2; i < RUNS; i++) {
          long start = System.nanoTime();
          recording.replay();
          queue.synchronize();
          seconds[Math.max(i, 0)] = (System.nanoTime() - start) * 1e-9;
        }
      }
      Arrays.sort(seconds);
      double bytes = (double) repeats * sequences * Encoding.F16.byteSize(entries, shape.entry());
      return new LatentDecode(sequences, entries, shape.heads(), bytes / seconds[RUNS / 2]);
    }
  }

  private static IntUnaryOperator shuffled(int n) {
    int[] order = IntStream.range(0, n).toArray();
    SplittableRandom random = new SplittableRandom(1);
    for (int i = n - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = order[j];
      order[j] = order[i];
      order[i] = other;
    }
    return i -> order[i];
  }

  /** Normal numbers: the clock falls with the bits that toggle, so zeros would flatter. */
  private static MemorySegment noise(Arena arena, Encoding encoding, long count) {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[Math.toIntExact(count)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    MemorySegment out = arena.allocate(encoding.byteSize(1, values.length), 64);
    Quantizer.encode(encoding, values, 0, values.length, out, 0);
    return out;
  }

  /** Tensors of one measurement. */
  private record Device(Backend backend, Arena arena, List<DeviceBuffer> buffers)
      implements AutoCloseable {
    Device(Backend backend) {
      this(backend, Arena.ofShared(), new ArrayList<>());
    }

    Tensor tensor(String name, Encoding encoding, long rows, long cols) {
      DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), name);
      buffers.add(buffer);
      return new Tensor(name, buffer, 0, encoding, rows, cols);
    }

    Tensor ints(String name, int rows, int cols, IntUnaryOperator value) {
      Tensor tensor = tensor(name, Encoding.I32, rows, cols);
      int[] values = IntStream.range(0, rows * cols).map(value).toArray();
      backend.write(tensor, arena.allocateFrom(ValueLayout.JAVA_INT, values));
      return tensor;
    }

    @Override
    public void close() {
      buffers.forEach(DeviceBuffer::close);
      arena.close();
    }
  }

  /**
   * Prints the roofs and the attention of 16 sequences with 32768 entries each as one line of JSON.
   *
   * @param args the device, or nothing for the first
   */
  public static void main(String[] args) {
    CudaProbe probe =
        of(new BackendOptions(0, Stream.of(args).findFirst(), true, System.err::println));
    Roofs roofs = probe.roofs();
    LatentDecode decode =
        probe.device.simulated() ? probe.latentDecode(2, 200) : probe.latentDecode(16, 32768);
    System.out.printf(
        Locale.ROOT,
        "{\"device\": \"%s\", \"copy_bytes_per_second\": %.4g, \"bf16_flop_per_second\": %.4g,"
            + " \"latent_decode\": {\"sequences\": %d, \"entries\": %d, \"heads\": %d,"
            + " \"bytes_per_second\": %.4g}}%n",
        roofs.device(),
        roofs.copyBytesPerSecond(),
        roofs.bf16FlopPerSecond(),
        decode.sequences(),
        decode.entries(),
        decode.heads(),
        decode.bytesPerSecond());
  }
}
