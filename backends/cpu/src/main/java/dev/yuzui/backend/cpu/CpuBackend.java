package dev.yuzui.backend.cpu;

import dev.yuzui.spi.AbstractBackend;
import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Weights are put into strips if the kernels like that, or stay where they are mapped; every queue
 * has a team of threads.
 */
final class CpuBackend extends AbstractBackend {
  private static final int MAX_TOKENS = 2048;
  static final int EXACT_TOKENS = 16;
  private static final int TOKEN_BUCKET = 16;

  /** Bytes of a buffer that has pages of its own. */
  private static final long LARGE = 2L << 20;

  /** Asked for at every step. */
  private static final Capabilities CAPABILITIES =
      new Capabilities(
          Set.copyOf(Encoding.all()),
          Set.copyOf(Encoding.caches()),
          EXACT_TOKENS,
          TOKEN_BUCKET,
          MAX_TOKENS,
          true,
          true);

  private final KernelChoice kernels;
  private final Optional<Packer> packer;
  private final SystemCalls system = SystemCalls.find();
  private final Processors processors;
  private final Consumer<String> log;
  private final int group;
  private final int threads;
  private final String description;
  private int opened;

  CpuBackend(
      KernelChoice kernels, Processors processors, int group, int threads, BackendOptions options) {
    this.kernels = kernels;
    this.group = group;
    this.processors = processors;
    this.log = options.log();
    this.packer =
        kernels
            .strips()
            .map(
                strips ->
                    new Packer(
                        strips,
                        system,
                        options
                            .repackCache()
                            .map(cache -> RepackStore.open(cache, strips, system, options))));
    this.threads = threads;
    this.description = processors.name() + ", " + threads + " threads, " + kernels.description();
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public Capabilities capabilities() {
    return CAPABILITIES;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  protected DeviceBuffer newBuffer(long bytes, String purpose) {
    if (bytes >= LARGE) {
      return largeBuffer(bytes, purpose);
    }
    Arena arena = Arena.ofShared();
    MemorySegment data;
    try {
      data = arena.allocate(Math.max(bytes, 1), 64);
    } catch (OutOfMemoryError e) {
      arena.close();
      throw noMemory(bytes, purpose);
    }
    return buffer(purpose, data, arena::close);
  }

  /**
   * In huge pages, which caches are read from as fast as memory goes: a head's part of each entry
   * lies in another small page every few entries. Nothing is there before it is touched.
   */
  private DeviceBuffer largeBuffer(long bytes, String purpose) {
    long address = system.reserve(bytes);
    if (address == 0) {
      throw noMemory(bytes, purpose);
    }
    return buffer(
        purpose, Memory.ALL.asSlice(address, bytes), () -> system.release(address, bytes));
  }

  private static BackendException noMemory(long bytes, String purpose) {
    return new BackendException(
        "no " + bytes + " bytes for " + purpose, "use a shorter context or a smaller model");
  }

  private HostBuffer buffer(String purpose, MemorySegment data, Runnable free) {
    HostBuffer[] self = new HostBuffer[1];
    self[0] =
        new HostBuffer(
            purpose, data, Optional.empty(), Optional.empty(), () -> free(self[0], free));
    return self[0];
  }

  private void free(HostBuffer buffer, Runnable free) {
    if (!forget(buffer)) {
      throw new BackendException(
          "the buffer for " + buffer.purpose() + " was closed twice", "close it once");
    }
    free.run();
  }

  @Override
  public Tensor upload(HostTensor weight) {
    if (weight.encoding().equals(Encoding.F32)) {
      return uploadTable(weight);
    }
    return tensor(weight, packer.flatMap(p -> p.pack(weight)));
  }

  @Override
  public Tensor uploadTable(HostTensor table) {
    return tensor(packer.map(p -> p.move(table)).orElse(table), Optional.empty());
  }

  @Override
  public ExpertWeights uploadExperts(String name, List<HostTensor> experts) {
    Optional<StripType> type = packer.flatMap(p -> p.type(experts.getFirst().encoding()));
    if (type.isEmpty()) {
      return super.uploadExperts(name, experts);
    }
    List<Packed> packed = packer.orElseThrow().pack(type.get(), experts);
    return new ExpertWeights(
        name,
        IntStream.range(0, experts.size())
            .mapToObj(e -> tensor(experts.get(e), Optional.of(packed.get(e))))
            .toList());
  }

  @Override
  public void uploaded() {
    packer.ifPresent(Packer::complete);
  }

  @Override
  public boolean borrowsExperts(Encoding encoding) {
    return packer.filter(p -> p.packs(encoding)).isEmpty();
  }

  /** Where the old expert lies in memory of our own, the new one is put there. */
  @Override
  protected ExpertWeights exchange(ExpertWeights experts, int index, HostTensor expert) {
    requireNative(expert);
    Tensor old = experts.experts().get(index);
    Optional<Packed> packed =
        HostBuffer.packed(old).filter(strips -> packer.orElseThrow().owns(strips.address()));
    packed.ifPresent(strips -> packer.orElseThrow().fill(strips, expert));
    return experts.with(
        index,
        packed.isPresent()
            ? tensor(expert, packed)
            : packer
                .flatMap(p -> p.moveTo(HostBuffer.data(old), expert))
                .map(moved -> tensor(moved, Optional.empty()))
                .orElseGet(() -> upload(expert)));
  }

  /** Bytes of memory of our own that weights lie in. */
  long weightBytes() {
    return packer.map(Packer::bytes).orElse(0L);
  }

  private static void requireNative(HostTensor weight) {
    if (!weight.data().isNative()) {
      throw new BackendException(
          weight + " lies on the Java heap",
          "give native or mapped memory (Arena, FileChannel.map)");
    }
  }

  private static Tensor tensor(HostTensor weight, Optional<Packed> packed) {
    requireNative(weight);
    HostBuffer borrowed =
        new HostBuffer(weight.name(), weight.data(), weight.scales(), packed, () -> {});
    return new Tensor(weight.name(), borrowed, 0, weight.encoding(), weight.rows(), weight.cols());
  }

  @Override
  protected void copyIn(Tensor to, MemorySegment from) {
    MemorySegment.copy(from, 0, Memory.ALL, HostBuffer.address(to), from.byteSize());
  }

  @Override
  protected void copyOut(Tensor from, MemorySegment to) {
    MemorySegment.copy(Memory.ALL, HostBuffer.address(from), to, 0, to.byteSize());
  }

  /** From another group of the processor's threads, whose memory is ours as well. */
  @Override
  protected boolean copyFrom(Backend source, Tensor from, Tensor to) {
    if (!(source instanceof CpuBackend)) {
      return false;
    }
    HostBuffer.data(to).copyFrom(HostBuffer.data(from));
    return true;
  }

  @Override
  protected AbstractQueue newQueue() {
    CpuQueue queue = new CpuQueue(this, "yuzui-cpu-" + opened, threads, pinning(), kernels);
    opened++;
    return queue;
  }

  /**
   * Each worker of the first queue stays on a core of its own, if there are enough; the caller's
   * thread is left to the system, which finds the core that remains.
   */
  private IntConsumer pinning() {
    int[] cores = processors.group(group, threads);
    if (opened > 0 || cores.length == 0) {
      return _ -> {};
    }
    return worker -> {
      if (!system.pin(cores[worker])) {
        log.accept("cpu: thread " + worker + " cannot be kept on processor " + cores[worker]);
      }
    };
  }

  @Override
  protected void release() {
    packer.ifPresent(Packer::close);
  }
}
