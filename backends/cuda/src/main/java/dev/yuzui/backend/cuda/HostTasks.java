package dev.yuzui.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Java tasks in a stream's order. JCuda's own binding forgets a task after its first run, so that a
 * graph cannot be replayed with it; this one calls {@code cuLaunchHostFunc} itself.
 *
 * <p>After a task has failed the others are dropped until {@link #takeFailure}.
 */
final class HostTasks implements AutoCloseable {
  private static final FunctionDescriptor CALLBACK = FunctionDescriptor.ofVoid(ADDRESS);

  private record Task(Runnable body, boolean once) {}

  private final Arena arena = Arena.ofShared();
  private final Cu cu;
  private final MethodHandle launch;
  private final MemorySegment callback;
  private final Map<Long, Task> tasks = new HashMap<>();
  private long next = 1;
  private Optional<Throwable> failure = Optional.empty();

  HostTasks(Cu cu) {
    this.cu = cu;
    Linker linker = Linker.nativeLinker();
    this.launch =
        linker.downcallHandle(
            SymbolLookup.libraryLookup(Driver.LIBRARY, arena).findOrThrow("cuLaunchHostFunc"),
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
    try {
      MethodHandle run =
          MethodHandles.lookup()
              .findVirtual(
                  HostTasks.class, "run", MethodType.methodType(void.class, MemorySegment.class))
              .bindTo(this);
      this.callback = linker.upcallStub(run, CALLBACK, arena);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("HostTasks.run", e);
    }
  }

  /**
   * @param once false for a task of a recording, kept until {@link #forget}
   * @return the task's number
   */
  synchronized long add(Runnable body, boolean once) {
    long id = next++;
    tasks.put(id, new Task(body, once));
    return id;
  }

  /** Puts the task on the stream. */
  void enqueue(Address.Stream stream, long id) {
    cu.checked(
        () -> {
          try {
            return (int)
                launch.invokeExact(
                    MemorySegment.ofAddress(stream.value()), callback, MemorySegment.ofAddress(id));
          } catch (Throwable e) {
            throw new LinkageError("cuLaunchHostFunc", e);
          }
        },
        "enqueueing a task of the host");
  }

  synchronized void forget(long id) {
    tasks.remove(id);
  }

  /** Called by the driver, on a thread of its own; an exception must not leave it. */
  @SuppressWarnings("UnusedMethod") // it is found by name
  private void run(MemorySegment data) {
    Optional<Task> task = take(data.address());
    try {
      task.ifPresent(t -> t.body().run());
    } catch (Throwable e) {
      fail(e);
    }
  }

  private synchronized Optional<Task> take(long id) {
    Optional<Task> task = Optional.ofNullable(tasks.get(id));
    task.filter(Task::once).ifPresent(_ -> tasks.remove(id));
    return failure.isPresent() ? Optional.empty() : task;
  }

  private synchronized void fail(Throwable e) {
    failure = Optional.of(e);
  }

  synchronized Optional<Throwable> takeFailure() {
    Optional<Throwable> taken = failure;
    failure = Optional.empty();
    return taken;
  }

  /** Once the stream is empty. */
  @Override
  public void close() {
    arena.close();
  }
}
