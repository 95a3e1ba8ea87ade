package dev.yuzui.backend.opencl;

import dev.yuzui.spi.AbstractBackend;
import dev.yuzui.spi.AbstractQueue;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.SignalHandlers;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** One OpenCL device. */
final class OpenClBackend extends AbstractBackend {
  private static final int MAX_TOKENS = 4096;
  private static final int EXACT_TOKENS = 8;
  private static final int TOKEN_BUCKET = 16;

  /** Asked for at every step. */
  private static final Capabilities CAPABILITIES =
      new Capabilities(
          Set.copyOf(Encoding.all()),
          Set.copyOf(Encoding.caches()),
          EXACT_TOKENS,
          TOKEN_BUCKET,
          MAX_TOKENS,
          true,
          false);

  /** Bytes of weights given to the driver at once. */
  private static final long PART = 32L << 20;

  private final Cl cl;
  private final Extras extras;
  private final Programs programs;
  private final Optional<CommandBuffers> commandBuffers;
  private final long transfers;
  private final List<OpenClBuffer> weights = new ArrayList<>();
  private final IdentityHashMap<ExpertWeights, ExpertPlaces> places = new IdentityHashMap<>();

  OpenClBackend(Cl cl, Extras extras, BackendOptions options) {
    this(cl, extras, true, options);
  }

  /**
   * @param buffers whether recordings may be command buffers
   */
  OpenClBackend(Cl cl, Extras extras, boolean buffers, BackendOptions options) {
    this.cl = cl;
    this.extras = extras;
    this.programs = new Programs(cl, extras, cache(options), options.log());
    extras.tell(cl.device(), options.log());
    this.commandBuffers = buffers ? CommandBuffers.of(cl, options.log()) : Optional.empty();
    this.transfers = cl.queue();
  }

  private ProgramCache cache(BackendOptions options) {
    if (cl.device().keepsPrograms()) {
      options.log().accept("opencl: the driver keeps compiled programs itself");
      return new ProgramCache(Optional.empty(), options.log());
    }
    return new ProgramCache(options.cache(), options.log());
  }

  @Override
  public String name() {
    return "opencl";
  }

  @Override
  public Capabilities capabilities() {
    return CAPABILITIES;
  }

  @Override
  public String description() {
    DeviceFacts device = cl.device();
    return "%s, %d compute units, %.1f GiB"
        .formatted(device, device.computeUnits(), device.totalBytes() / 0x1p30);
  }

  Cl cl() {
    return cl;
  }

  Optional<CommandBuffers> commandBuffers() {
    return commandBuffers;
  }

  Extras extras() {
    return extras;
  }

  Programs programs() {
    return programs;
  }

  // ---- memory -----------------------------------------------------------------------------------

  @Override
  protected DeviceBuffer newBuffer(long bytes, String purpose) {
    return new OpenClBuffer(cl, bytes, purpose, this::forget);
  }

  private static void refuse(OpenClBuffer buffer) {
    throw new BackendException(
        "weight '" + buffer.purpose() + "' was closed", "weights live until their backend closes");
  }

  @Override
  public synchronized Tensor upload(HostTensor weight) {
    return together(weight.name(), List.of(weight)).getFirst();
  }

  /** All experts in one buffer, at equal distances, or in as few as the device's may be large. */
  @Override
  public synchronized ExpertWeights uploadExperts(String name, List<HostTensor> experts) {
    return new ExpertWeights(name, together(name, experts));
  }

  @Override
  public boolean borrowsExperts(Encoding encoding) {
    return false;
  }

  private List<Tensor> together(String name, List<HostTensor> hosts) {
    requireOpen();
    HostTensor first = hosts.getFirst();
    long bytes = Layout.matrixBytes(first.encoding(), first.rows(), first.cols());
    long each = hosts.size() == 1 ? bytes : Layout.aligned(bytes);
    int most = mostOf(each, hosts.size());
    List<OpenClBuffer> buffers = new ArrayList<>();
    List<Tensor> tensors = new ArrayList<>();
    boolean whole = false;
    try {
      for (HostTensor w : hosts) {
        int within = tensors.size() % most;
        if (within == 0) {
          long left = Math.min(most, hosts.size() - tensors.size());
          buffers.add(new OpenClBuffer(cl, each * left, name, OpenClBackend::refuse));
        }
        load(w, buffers.getLast(), each * within);
        tensors.add(
            new Tensor(
                w.name(), buffers.getLast(), each * within, w.encoding(), w.rows(), w.cols()));
      }
      weights.addAll(buffers);
      whole = true;
      return tensors;
    } finally {
      if (!whole) {
        buffers.forEach(OpenClBuffer::release);
      }
    }
  }

  /** How many matrices of {@code each} bytes a buffer of the device may have, of {@code count}. */
  private int mostOf(long each, int count) {
    return Math.toIntExact(Math.clamp(cl.device().largestBuffer() / each, 1, (long) count));
  }

  /** The old expert's memory is the new one's, and so is its part of those copied together. */
  @Override
  protected ExpertWeights exchange(ExpertWeights experts, int index, HostTensor expert) {
    Tensor old = experts.experts().get(index);
    OpenClBuffer buffer = OpenClBuffer.of(old, cl);
    load(expert, buffer, old.byteOffset());
    ExpertWeights now =
        experts.with(
            index,
            new Tensor(
                expert.name(), buffer, old.byteOffset(), old.encoding(), old.rows(), old.cols()));
    Optional.ofNullable(places.remove(experts))
        .ifPresent(
            place -> {
              ExpertPlaces.Part part = place.part(index);
              OpenClBuffer all = OpenClBuffer.of(part.first(), cl);
              if (all != buffer || part.at(index) != old.byteOffset()) {
                load(expert, all, part.at(index));
              }
              places.put(now, place);
            });
    return now;
  }

  private void load(HostTensor w, OpenClBuffer to, long offset) {
    copy(w.data(), to, offset);
    if (w.encoding() instanceof Encoding.Fp8Tiled) {
      MemorySegment scales =
          w.scales()
              .orElseThrow(
                  () ->
                      new BackendException(
                          w + " has no scales", "upload FP8 weights with HostTensor.scales"));
      copy(scales, to, offset + Layout.scalesAt(w.rows(), w.cols()));
    }
  }

  private void copy(MemorySegment from, OpenClBuffer to, long offset) {
    for (long at = 0; at < from.byteSize(); at += PART) {
      MemorySegment part = from.asSlice(at, Math.min(PART, from.byteSize() - at));
      cl.write(transfers, to.handle(), offset + at, part);
    }
  }

  /** Where the experts of a projection lie; those that lie apart are copied together, once. */
  synchronized ExpertPlaces places(ExpertWeights experts) {
    return places.computeIfAbsent(
        experts,
        e -> {
          long each = Layout.aligned(Layout.matrixBytes(e.encoding(), e.rows(), e.cols()));
          int most = mostOf(each, e.count());
          ExpertPlaces found = ExpertPlaces.of(e);
          return found.evenly(most) ? found : gathered(e, each, most);
        });
  }

  private ExpertPlaces gathered(ExpertWeights experts, long each, int most) {
    long bytes = Layout.matrixBytes(experts.encoding(), experts.rows(), experts.cols());
    List<ExpertPlaces.Part> parts = new ArrayList<>();
    for (int from = 0; from < experts.count(); from += most) {
      int count = Math.min(most, experts.count() - from);
      OpenClBuffer buffer =
          new OpenClBuffer(cl, each * count, experts.name(), OpenClBackend::refuse);
      weights.add(buffer);
      for (int e = 0; e < count; e++) {
        Tensor expert = experts.experts().get(from + e);
        cl.copy(
            transfers,
            OpenClBuffer.handle(expert, cl),
            expert.byteOffset(),
            buffer.handle(),
            each * e,
            bytes);
      }
      Tensor first = experts.experts().get(from);
      parts.add(
          new ExpertPlaces.Part(
              from,
              count,
              new Tensor(first.name(), buffer, 0, first.encoding(), first.rows(), first.cols()),
              each));
    }
    cl.finish(transfers, "copying " + experts.name());
    return new ExpertPlaces(parts);
  }

  @Override
  protected void copyIn(Tensor to, MemorySegment from) {
    cl.write(transfers, OpenClBuffer.handle(to, cl), to.byteOffset(), from);
  }

  /** The device copies what it has, twice as much each time. */
  @Override
  protected void repeat(Tensor to, MemorySegment pattern) {
    long buffer = OpenClBuffer.handle(to, cl);
    long first = Math.min(pattern.byteSize(), to.byteSize());
    cl.write(transfers, buffer, to.byteOffset(), pattern.asSlice(0, first));
    for (long done = first; done < to.byteSize(); done *= 2) {
      long bytes = Math.min(done, to.byteSize() - done);
      cl.copy(transfers, buffer, to.byteOffset(), buffer, to.byteOffset() + done, bytes);
    }
    cl.finish(transfers, "filling " + to);
  }

  @Override
  protected void copyOut(Tensor from, MemorySegment to) {
    cl.read(transfers, OpenClBuffer.handle(from, cl), from.byteOffset(), to);
  }

  // ---- queues -----------------------------------------------------------------------------------

  @Override
  protected AbstractQueue newQueue() {
    return new OpenClQueue(this);
  }

  @Override
  protected void release() {
    try (var _ = SignalHandlers.keep()) {
      cl.releaseQueue(transfers);
      weights.forEach(OpenClBuffer::release);
      programs.close();
      cl.close();
    }
  }
}
