package dev.yuzui.backend.cuda;

import dev.yuzui.spi.AbstractBackend;
import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.function.Consumer;

/** One NVIDIA GPU. */
final class CudaBackend extends AbstractBackend {
  private static final int MAX_TOKENS = 4096;
  private static final int EXACT_TOKENS = 16;
  private static final int TOKEN_BUCKET = 16;

  private final Cu cu;
  private final Kernels kernels;
  private final Transfers transfers;
  private final WeightLoader loader;
  private final Capabilities capabilities;
  private final List<CudaBuffer> weights = new ArrayList<>();
  private final IdentityHashMap<ExpertWeights, CudaBuffer> tables = new IdentityHashMap<>();
  private final Map<CudaBackend, Boolean> peers = new WeakHashMap<>();

  /**
   * @param wgmma whether products may be {@link Wgmma}'s
   * @param peerCopy whether another device's memory is within reach, or there is no other
   * @param notice told of what takes long
   */
  CudaBackend(Cu cu, boolean wgmma, boolean peerCopy, Consumer<String> notice) {
    this.cu = cu;
    this.capabilities =
        new Capabilities(
            Tiles.ENCODINGS,
            Set.of(Encoding.F32, Encoding.F16, Encoding.BF16, Encoding.E4M3),
            EXACT_TOKENS,
            TOKEN_BUCKET,
            MAX_TOKENS,
            true,
            peerCopy);
    this.kernels = Kernels.of(cu, wgmma, notice);
    this.transfers = new Transfers(cu);
    this.loader = new WeightLoader(cu, kernels, transfers);
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Capabilities capabilities() {
    return capabilities;
  }

  @Override
  public String description() {
    CudaDevice device = cu.device();
    return "%s, %d multiprocessors, %.1f GiB"
        .formatted(device, device.multiprocessors(), device.totalBytes() / 0x1p30);
  }

  Cu cu() {
    return cu;
  }

  Kernels kernels() {
    return kernels;
  }

  Transfers transfers() {
    return transfers;
  }

  // ---- memory -----------------------------------------------------------------------------------

  /** What was written into the buffer must arrive before its memory goes. */
  @Override
  protected DeviceBuffer newBuffer(long bytes, String purpose) {
    return new CudaBuffer(
        cu,
        bytes,
        purpose,
        buffer -> {
          transfers.drain();
          forget(buffer);
        });
  }

  private static void refuse(CudaBuffer buffer) {
    throw new BackendException(
        "weight '" + buffer.purpose() + "' was closed", "weights live until their backend closes");
  }

  @Override
  public boolean repeats() {
    return true;
  }

  @Override
  public synchronized Tensor upload(HostTensor weight) {
    return together(weight.name(), List.of(weight)).getFirst();
  }

  /** All experts in one buffer, and the table of where each lies. */
  @Override
  public synchronized ExpertWeights uploadExperts(String name, List<HostTensor> experts) {
    ExpertWeights weights = new ExpertWeights(name, together(name, experts));
    expertTable(weights);
    return weights;
  }

  @Override
  public boolean borrowsExperts(Encoding encoding) {
    return false;
  }

  @Override
  protected Encoding kept(ExpertWeights experts, HostTensor expert) {
    Encoding first = Tiles.kept(expert.encoding());
    boolean converted = !first.equals(expert.encoding());
    return converted && experts.encoding() instanceof Encoding.Plain ? experts.encoding() : first;
  }

  /** The old expert's memory is the new one's, so that the table stays. */
  @Override
  protected ExpertWeights exchange(ExpertWeights experts, int index, HostTensor expert) {
    Encoding kept = experts.encoding();
    Tensor old = experts.experts().get(index);
    try (Arena arena = Arena.ofShared()) {
      loader.load(
          WeightLoader.as(kept, expert, arena)
              .orElseThrow(
                  () ->
                      new BackendException(
                          expert
                              + " has numbers that "
                              + kept.label()
                              + " does not hold, in which the others are",
                          "upload all of " + experts.name() + " anew")),
          CudaBuffer.address(old, cu));
    }
    ExpertWeights now =
        experts.with(
            index,
            new Tensor(
                expert.name(), old.buffer(), old.byteOffset(), kept, old.rows(), old.cols()));
    Optional.ofNullable(tables.remove(experts)).ifPresent(table -> tables.put(now, table));
    return now;
  }

  /**
   * What kernels do not multiply becomes what {@link Lossless} says, else F16, or F32 where F16
   * cannot hold a number.
   */
  private List<Tensor> together(String name, List<HostTensor> hosts) {
    requireOpen();
    Encoding kept = Tiles.kept(hosts.getFirst().encoding());
    return together(name, hosts, kept).or(() -> together(name, hosts, Encoding.F32)).orElseThrow();
  }

  private Optional<List<Tensor>> together(String name, List<HostTensor> hosts, Encoding encoding) {
    HostTensor first = hosts.getFirst();
    long bytes = Tiles.matrixBytes(encoding, first.rows(), first.cols());
    long each = hosts.size() == 1 ? bytes : Tiles.aligned(bytes);
    CudaBuffer buffer = new CudaBuffer(cu, each * hosts.size(), name, CudaBackend::refuse);
    List<Tensor> tensors = new ArrayList<>();
    boolean whole = false;
    try {
      for (HostTensor host : hosts) {
        try (Arena arena = Arena.ofShared()) {
          Optional<HostTensor> w = WeightLoader.as(encoding, host, arena);
          if (w.isEmpty()) {
            return Optional.empty();
          }
          long offset = each * tensors.size();
          loader.load(w.get(), buffer.address() + offset);
          tensors.add(new Tensor(host.name(), buffer, offset, encoding, host.rows(), host.cols()));
        }
      }
      weights.add(buffer);
      whole = true;
      return Optional.of(tensors);
    } finally {
      if (!whole) {
        transfers.drain();
        buffer.release();
      }
    }
  }

  private CudaBuffer weightBuffer(long bytes, String name) {
    CudaBuffer buffer = new CudaBuffer(cu, bytes, name, CudaBackend::refuse);
    weights.add(buffer);
    return buffer;
  }

  /** Address of the addresses of the experts' matrices. */
  synchronized long expertTable(ExpertWeights experts) {
    return tables.computeIfAbsent(experts, this::newTable).address();
  }

  private CudaBuffer newTable(ExpertWeights experts) {
    CudaBuffer table = weightBuffer(8L * experts.count(), "places of " + experts.name());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment addresses = arena.allocate(ValueLayout.JAVA_LONG, experts.count());
      for (int e = 0; e < experts.count(); e++) {
        addresses.setAtIndex(
            ValueLayout.JAVA_LONG, e, CudaBuffer.address(experts.experts().get(e), cu));
      }
      transfers.write(table.address(), addresses);
    }
    return table;
  }

  @Override
  protected void copyIn(Tensor to, MemorySegment from) {
    transfers.write(CudaBuffer.address(to, cu), from);
  }

  /** The device copies what it has, twice as much each time. */
  @Override
  protected void repeat(Tensor to, MemorySegment pattern) {
    long address = CudaBuffer.address(to, cu);
    long first = Math.min(pattern.byteSize(), to.byteSize());
    transfers.write(address, pattern.asSlice(0, first));
    transfers.enqueue(
        stream -> {
          for (long done = first; done < to.byteSize(); done *= 2) {
            long bytes = Math.min(done, to.byteSize() - done);
            cu.withinDevice(address + done, address, bytes, stream);
          }
        });
  }

  @Override
  protected void copyOut(Tensor from, MemorySegment to) {
    transfers.read(to, CudaBuffer.address(from, cu));
  }

  /** From another device that this one reaches, or from another backend of the same. */
  @Override
  protected boolean copyFrom(Backend source, Tensor from, Tensor to) {
    if (!(source instanceof CudaBackend other) || !reaches(other)) {
      return false;
    }
    long at = CudaBuffer.address(to, cu);
    long there = CudaBuffer.address(from, other.cu);
    other.transfers.settled();
    transfers.enqueue(stream -> cu.fromPeer(at, other.cu, there, to.byteSize(), stream));
    transfers.settle();
    return true;
  }

  private synchronized boolean reaches(CudaBackend other) {
    return peers.computeIfAbsent(
        other,
        o -> {
          boolean reached = cu.reaches(o.cu.device());
          if (reached && o.cu.device().ordinal() != cu.device().ordinal()) {
            cu.enablePeer(o.cu);
          }
          return reached;
        });
  }

  // ---- queues -----------------------------------------------------------------------------------

  @Override
  protected AbstractQueue newQueue() {
    return new CudaQueue(this);
  }

  @Override
  protected void release() {
    transfers.close();
    loader.close();
    weights.forEach(CudaBuffer::release);
    kernels.close();
    cu.close();
  }
}
