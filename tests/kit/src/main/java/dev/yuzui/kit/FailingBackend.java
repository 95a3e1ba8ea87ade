package dev.yuzui.kit;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Capabilities;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A device that may be lost while somebody waits for it. From then on every use tells so, and what
 * closes is silent, as of a GPU that has gone. Ops that were enqueued before are run.
 */
final class FailingBackend implements Backend {
  private final Backend reference;
  private final int device;
  private volatile boolean lost;

  FailingBackend(Backend reference, int device) {
    this.reference = reference;
    this.device = device;
  }

  private void use() {
    if (lost) {
      throw new BackendException(
          label() + " was lost", "start again, on another device if it recurs");
    }
  }

  private String label() {
    return FailingProvider.NAME + ":" + device;
  }

  @Override
  public String name() {
    return FailingProvider.NAME;
  }

  @Override
  public Capabilities capabilities() {
    return reference.capabilities();
  }

  @Override
  public String description() {
    return label() + ", " + reference.description();
  }

  @Override
  public DeviceBuffer allocate(long bytes, String purpose) {
    use();
    return reference.allocate(bytes, purpose);
  }

  @Override
  public Tensor upload(HostTensor weight) {
    use();
    return reference.upload(weight);
  }

  @Override
  public boolean receive(Tensor to, Backend source, Tensor from) {
    use();
    if (!(source instanceof FailingBackend other)) {
      return false;
    }
    other.use();
    return reference.receive(to, other.reference, from);
  }

  @Override
  public void write(Tensor to, MemorySegment from) {
    use();
    reference.write(to, from);
  }

  @Override
  public void read(Tensor from, MemorySegment to) {
    use();
    reference.read(from, to);
  }

  @Override
  public DeviceQueue openQueue() {
    use();
    return new Queue(reference.openQueue());
  }

  @Override
  public void close() {
    reference.close();
  }

  private final class Queue implements DeviceQueue {
    private final DeviceQueue queue;

    Queue(DeviceQueue queue) {
      this.queue = queue;
    }

    @Override
    public Ops ops() {
      return queue.ops();
    }

    @Override
    public void begin() {
      use();
      queue.begin();
    }

    @Override
    public Recording end() {
      Recording ended = queue.end();
      return new Recording() {
        @Override
        public void replay() {
          use();
          ended.replay();
        }

        @Override
        public void close() {
          ended.close();
        }
      };
    }

    @Override
    public void abandon() {
      queue.abandon();
    }

    @Override
    public void hostTask(Runnable task) {
      use();
      queue.hostTask(task);
    }

    @Override
    public void synchronize() {
      use();
      lost = FailingProvider.failsNow(device);
      use();
      queue.synchronize();
    }

    @Override
    public void close() {
      queue.close();
    }
  }
}
