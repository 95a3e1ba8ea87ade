package dev.yuzui.parallel;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Devices that one model is laid over. Work for several of them runs at the same time, that of each
 * on a thread of its own. Used by one thread at a time, which does not close the backends with it.
 */
public final class DeviceGroup implements AutoCloseable {
  /**
   * @param name for people
   */
  public record Member(String name, Backend backend) {}

  private final List<Member> members;
  private final List<ExecutorService> threads;
  private final List<MemorySegment> staging = new ArrayList<>();
  private final Arena arena = Arena.ofShared();
  private final AtomicLongArray bytesIn;
  private final AtomicLongArray bytesOut;

  public DeviceGroup(List<Member> members) {
    this.members = List.copyOf(members);
    this.threads =
        members.size() == 1
            ? List.of()
            : members.stream()
                .map(
                    m ->
                        Executors.newSingleThreadExecutor(
                            Thread.ofPlatform().daemon().name("yuzui-" + m.name()).factory()))
                .toList();
    members.forEach(_ -> staging.add(MemorySegment.NULL));
    this.bytesIn = new AtomicLongArray(members.size());
    this.bytesOut = new AtomicLongArray(members.size());
  }

  public int size() {
    return members.size();
  }

  public String name(int device) {
    return members.get(device).name();
  }

  public Backend backend(int device) {
    return members.get(device).backend();
  }

  /** That {@link #copy} has brought to a device. */
  public long bytesIn(int device) {
    return bytesIn.get(device);
  }

  /** That {@link #copy} has taken from a device. */
  public long bytesOut(int device) {
    return bytesOut.get(device);
  }

  /**
   * Runs a task for each of some devices, and waits for all of them.
   *
   * @throws DeviceFailure for the first device, in their order, whose backend failed
   */
  public void each(Map<Integer, Runnable> tasks) {
    if (tasks.size() == 1) {
      tasks.forEach(this::run);
      return;
    }
    List<Future<?>> futures = new ArrayList<>();
    tasks.forEach(
        (device, task) -> futures.add(threads.get(device).submit(() -> run(device, task))));
    List<Throwable> failures = new ArrayList<>();
    futures.forEach(future -> await(future, failures));
    if (!failures.isEmpty()) {
      Throwable first = failures.removeFirst();
      failures.forEach(first::addSuppressed);
      switch (first) {
        case RuntimeException known -> throw known;
        case Error error -> throw error;
        default -> throw new ParallelException(String.valueOf(first)); // tasks throw no other
      }
    }
  }

  /**
   * Runs a task of a device on the caller's thread. A lone device's failure is nothing to tell from
   * others'.
   *
   * @throws DeviceFailure if its backend failed, and it is one of several
   */
  public void run(int device, Runnable task) {
    try {
      task.run();
    } catch (BackendException e) {
      throw size() == 1 ? e : new DeviceFailure(device, name(device), e);
    }
  }

  private static void await(Future<?> future, List<Throwable> failures) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          future.get();
          return;
        } catch (InterruptedException _) {
          interrupted = true; // the work goes on, and nobody may use its memory before it ends
        }
      }
    } catch (ExecutionException e) {
      failures.add(e.getCause());
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Copies a tensor to another device, directly where there is a way, else by way of the host.
   * Called from {@code toDevice}'s task; nothing may still use either tensor.
   */
  public void copy(int fromDevice, Tensor from, int toDevice, Tensor to) {
    bytesOut.addAndGet(fromDevice, from.byteSize());
    bytesIn.addAndGet(toDevice, from.byteSize());
    Backend source = backend(fromDevice);
    Backend target = backend(toDevice);
    try {
      if (target.receive(to, source, from)) {
        return;
      }
    } catch (BackendException e) {
      read(fromDevice, from, toDevice); // tells which of the two it was
      throw e;
    }
    target.write(to, read(fromDevice, from, toDevice));
  }

  /** Into the staging of {@code forDevice}. */
  private MemorySegment read(int device, Tensor from, int forDevice) {
    MemorySegment memory = staging(forDevice, from.byteSize());
    run(device, () -> backend(device).read(from, memory));
    return memory;
  }

  /** Of {@code device}'s task alone. */
  private MemorySegment staging(int device, long bytes) {
    if (staging.get(device).byteSize() < bytes) {
      staging.set(device, arena.allocate(2 * bytes, 64));
    }
    return staging.get(device).asSlice(0, bytes);
  }

  @Override
  public void close() {
    threads.forEach(ExecutorService::close);
    arena.close();
  }
}
