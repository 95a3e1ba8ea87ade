package dev.yuzui.engine.plan;

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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;

/** A device whose ops do nothing; the best token of a row is one that depends on the row alone. */
public final class IdleDevice implements BackendProvider {
  private static final int FIRST_TOKEN = 300;

  @Override
  public String name() {
    return "idle";
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    return new Probe.Usable("a device that does nothing", 1L << 40);
  }

  @Override
  public Backend open(BackendOptions options) {
    Backend reference = new ReferenceProvider().open(options);
    Capabilities all = reference.capabilities();
    return new Idle(
        reference, new Capabilities(all.weights(), all.caches(), 16, 16, 4096, true, false));
  }

  /**
   * @param capabilities those of the devices that there are
   */
  private record Idle(Backend reference, Capabilities capabilities) implements Backend {
    @Override
    public DeviceBuffer allocate(long bytes, String purpose) {
      return reference.allocate(bytes, purpose);
    }

    @Override
    public Tensor upload(HostTensor w) {
      return reference.upload(w);
    }

    @Override
    public String name() {
      return "idle";
    }

    @Override
    public String description() {
      return "a device that does nothing";
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
      return new Queue(this, reference.openQueue());
    }

    @Override
    public void close() {
      reference.close();
    }
  }

  private record Queue(Backend backend, DeviceQueue queue) implements DeviceQueue {
    @Override
    public Ops ops() {
      return (Ops)
          Proxy.newProxyInstance(
              Ops.class.getClassLoader(),
              new Class<?>[] {Ops.class},
              (_, method, arguments) -> {
                if (method.getName().equals("topK")) {
                  pick((Tensor) arguments[1]);
                }
                return method.getReturnType() == void.class
                    ? null
                    : method.invoke(queue.ops(), arguments);
              });
    }

    private void pick(Tensor ids) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment numbers = arena.allocate(ids.byteSize(), 4);
        for (int i = 0; i < ids.rows() * ids.cols(); i++) {
          numbers.setAtIndex(ValueLayout.JAVA_INT, i, FIRST_TOKEN + i);
        }
        backend.write(ids, numbers);
      }
    }

    @Override
    public void begin() {
      queue.begin();
    }

    @Override
    public Recording end() {
      return queue.end();
    }

    @Override
    public void abandon() {
      queue.abandon();
    }

    @Override
    public void hostTask(Runnable task) {
      queue.hostTask(task);
    }

    @Override
    public void synchronize() {
      queue.synchronize();
    }

    @Override
    public void close() {
      queue.close();
    }
  }
}
