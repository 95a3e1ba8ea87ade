package dev.yuzui.engine.plan;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;

/** The reference backend as a device that copies weights and has only so much memory. */
public class LimitedDevice implements BackendProvider {
  private final long free;
  private final long holds;
  public long held;
  public int opened;
  public int closed;

  /**
   * @param free what it says is free
   * @param holds what it really has room for
   */
  public LimitedDevice(long free, long holds) {
    this.free = free;
    this.holds = holds;
  }

  @Override
  public String name() {
    return "limited";
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    return new Probe.Usable("a limited device", free);
  }

  @Override
  public Backend open(BackendOptions options) {
    opened++;
    return new Limited(new ReferenceProvider().open(options));
  }

  private final class Limited implements Backend {
    private final Backend reference;

    Limited(Backend reference) {
      this.reference = reference;
    }

    private void hold(long bytes, String purpose) {
      held += bytes;
      if (held > holds) {
        throw new BackendException("no room for " + purpose, "use less");
      }
    }

    @Override
    public DeviceBuffer allocate(long bytes, String purpose) {
      hold(bytes, purpose);
      return reference.allocate(bytes, purpose);
    }

    @Override
    public Tensor upload(HostTensor w) {
      hold(weightBytes(w.encoding(), w.rows(), w.cols(), 1, true), w.name());
      return reference.upload(w);
    }

    @Override
    public String name() {
      return reference.name();
    }

    @Override
    public Capabilities capabilities() {
      return reference.capabilities();
    }

    @Override
    public String description() {
      return reference.description();
    }

    @Override
    public void write(Tensor to, MemorySegment from) {
      reference.write(to, from);
    }

    @Override
    public void read(Tensor from, MemorySegment to) {
      reference.read(from, to);
    }

    @Override
    public DeviceQueue openQueue() {
      return reference.openQueue();
    }

    /** Refused while anything is open. */
    @Override
    public void close() {
      reference.close();
      closed++;
    }
  }
}
