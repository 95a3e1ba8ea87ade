package dev.yuzui.system;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The reference with activations rounded as the native CPU kernels round them, see {@link
 * RoundingOps}: what a model says with that rounding and no other error. An oracle, not a backend
 * under test.
 */
public final class RoundingReference implements BackendProvider {
  static final String NAME = "rounding-reference";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    return new ReferenceProvider().probe();
  }

  @Override
  public Backend open(BackendOptions options) {
    return new Rounding(new ReferenceProvider().open(options));
  }

  private record Rounding(Backend exact) implements Backend {
    @Override
    public String name() {
      return NAME;
    }

    @Override
    public Capabilities capabilities() {
      return exact.capabilities();
    }

    @Override
    public String description() {
      return exact.description() + ", activations of eight bits";
    }

    @Override
    public DeviceBuffer allocate(long bytes, String purpose) {
      return exact.allocate(bytes, purpose);
    }

    @Override
    public Tensor upload(HostTensor weight) {
      return exact.upload(weight);
    }

    @Override
    public void write(Tensor to, MemorySegment from) {
      exact.write(to, from);
    }

    @Override
    public void read(Tensor from, MemorySegment to) {
      exact.read(from, to);
    }

    @Override
    public DeviceQueue openQueue() {
      return new Queue(this, exact.openQueue());
    }

    @Override
    public void close() {
      exact.close();
    }
  }

  private record Queue(Backend backend, DeviceQueue exact) implements DeviceQueue {
    @Override
    public Ops ops() {
      return new RoundingOps(backend, exact);
    }

    @Override
    public void begin() {
      exact.begin();
    }

    @Override
    public Recording end() {
      return exact.end();
    }

    @Override
    public void abandon() {
      exact.abandon();
    }

    @Override
    public void hostTask(Runnable task) {
      exact.hostTask(task);
    }

    @Override
    public void synchronize() {
      exact.synchronize();
    }

    @Override
    public void close() {
      exact.close();
    }
  }
}
