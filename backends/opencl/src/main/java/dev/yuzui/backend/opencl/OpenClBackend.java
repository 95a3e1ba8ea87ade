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
    return new Capabilities(
        Set.copyOf(Encoding.all()),
        Set.copyOf(Encoding.caches()),
        EXACT_TOKENS,
        TOKEN_BUCKET,
        MAX_TOKENS,
        true,
        false);
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

  /** All experts in one buffer, at equal distances. */
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
    OpenClBuffer buffer = new OpenClBuffer(cl, each * hosts.size(), name, OpenClBackend::refuse);
    List<Tensor> tensors = new ArrayList<>();
    boolean whole = false;
    try {
      for (HostTensor w : hosts) {
        long offset = each * tensors.size();
        load(w, buffer, offset);
        tensors.add(new Tensor(w.name(), buffer, offset, w.encoding(), w.rows(), w.cols()));
      }
      weights.add(buffer);
      whole = true;
      return tensors;
    } finally {
      if (!whole) {
        buffer.release();
      }
    }
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
              OpenClBuffer all = OpenClBuffer.of(place.first(), cl);
              long at = place.first().byteOffset() + index * place.stride();
              if (all != buffer || at != old.byteOffset()) {
                load(expert, all, at);
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
    return places.computeIfAbsent(experts, e -> ExpertPlaces.of(e).orElseGet(() -> gathered(e)));
  }

  private ExpertPlaces gathered(ExpertWeights experts) {
    long bytes = Layout.matrixBytes(experts.encoding(), experts.rows(), experts.cols());
    long each = Layout.aligned(bytes);
    OpenClBuffer buffer =
        new OpenClBuffer(cl, each * experts.count(), experts.name(), OpenClBackend::refuse);
    weights.add(buffer);
    for (int e = 0; e < experts.count(); e++) {
      Tensor expert = experts.experts().get(e);
      cl.copy(
          transfers,
          OpenClBuffer.handle(expert, cl),
          expert.byteOffset(),
          buffer.handle(),
          each * e,
          bytes);
    }
    cl.finish(transfers, "copying " + experts.name());
    Tensor first = experts.experts().getFirst();
    return new ExpertPlaces(
        new Tensor(first.name(), buffer, 0, first.encoding(), first.rows(), first.cols()), each);
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
