package dev.yuzui.cli;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The reference with one op that is wrong: its device names the op, and a piece of the name of the
 * weight where it is, as in {@code broken:gate:blk.3}; {@code ^} begins a name. The last number of
 * each row of what the op gives is off; {@code broken:scale} doubles the scale of every eighth
 * block of a weight, {@code broken:replay} replays nothing, {@code broken:lost} is lost as it
 * replays, {@code broken:open} cannot be opened, {@code broken:slow} takes a minute to be.
 */
public final class BrokenReference implements BackendProvider {
  static final String NAME = "broken";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return -3;
  }

  @Override
  public Probe probe() {
    return new ReferenceProvider().probe();
  }

  @Override
  public Backend open(BackendOptions options) {
    String[] fault = options.device().orElse("broken:nothing").split(":");
    if (fault[1].equals("open")) {
      throw new BackendException("the kernels do not build", "mend them");
    }
    if (fault[1].equals("slow")) {
      LockSupport.parkNanos(TimeUnit.MINUTES.toNanos(1));
    }
    Backend exact =
        new ReferenceProvider()
            .open(
                new BackendOptions(
                    options.threads(), Optional.empty(), options.repack(), options.log()));
    String weight = fault.length > 2 ? fault[2] : "";
    return proxy(
        Backend.class,
        exact,
        arguments -> {
          if (fault[1].equals("scale")) {
            Arrays.setAll(arguments, i -> misread(arguments[i], weight));
          }
        },
        (method, arguments, result) ->
            method.getName().equals("openQueue")
                ? queue(exact, (DeviceQueue) result, fault[1], weight)
                : result);
  }

  private static Object misread(Object argument, String weight) {
    return switch (argument) {
      case HostTensor w when w.name().contains(weight) -> misread(w);
      case List<?> experts -> experts.stream().map(e -> misread(e, weight)).toList();
      default -> argument;
    };
  }

  /** Of formats whose blocks begin with their scale, an F16 number. */
  private static HostTensor misread(HostTensor w) {
    MemorySegment data = Arena.ofAuto().allocate(w.data().byteSize(), 64).copyFrom(w.data());
    ValueLayout.OfShort half = ValueLayout.JAVA_SHORT_UNALIGNED;
    for (long at = 0; at < data.byteSize(); at += 8L * w.encoding().blockBytes()) {
      data.set(half, at, Float.floatToFloat16(2 * Float.float16ToFloat(data.get(half, at))));
    }
    return HostTensor.of(w.name(), w.encoding(), w.rows(), w.cols(), data);
  }

  private static DeviceQueue queue(Backend backend, DeviceQueue queue, String op, String weight) {
    Ops ops =
        proxy(
            Ops.class,
            queue.ops(),
            (method, arguments, result) -> {
              if (method.getName().equals(op) && takes(arguments, weight)) {
                spoil(backend, queue, output(method, arguments));
              }
              return result;
            });
    return proxy(
        DeviceQueue.class,
        queue,
        (method, arguments, result) ->
            switch (method.getName()) {
              case "ops" -> ops;
              case "record", "end" ->
                  switch (op) {
                    case "replay" -> replaying((DeviceQueue.Recording) result, () -> {});
                    case "lost" ->
                        replaying(
                            (DeviceQueue.Recording) result,
                            () -> {
                              throw new BackendException("the device was lost", "start again");
                            });
                    default -> result;
                  };
              default -> result;
            });
  }

  /** Does {@code instead} when it is to replay. */
  private static DeviceQueue.Recording replaying(
      DeviceQueue.Recording recording, Runnable instead) {
    return new DeviceQueue.Recording() {
      @Override
      public void replay() {
        instead.run();
      }

      @Override
      public void close() {
        recording.close();
      }
    };
  }

  private static boolean takes(Object[] arguments, String weight) {
    return Arrays.stream(arguments)
        .map(a -> a instanceof ExpertWeights w ? w.name() : a instanceof Tensor t ? t.name() : "")
        .anyMatch(name -> ("^" + name).contains(weight));
  }

  /** The last tensor, but the gate's ids come before its weights; of a selection its rows. */
  private static Tensor output(Method method, Object... arguments) {
    Object out = arguments[arguments.length - (method.getName().equals("gate") ? 2 : 1)];
    return out instanceof Selection chosen ? chosen.rows() : (Tensor) out;
  }

  private static void spoil(Backend backend, DeviceQueue queue, Tensor out) {
    queue.hostTask(
        () -> {
          try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(out.byteSize(), 4);
            backend.read(out, memory);
            for (long i = out.cols() - 1; i < out.rows() * out.cols(); i += out.cols()) {
              if (out.encoding().equals(Encoding.I32)) {
                int id = memory.getAtIndex(ValueLayout.JAVA_INT, i);
                int other = memory.getAtIndex(ValueLayout.JAVA_INT, i - 1);
                memory.setAtIndex(ValueLayout.JAVA_INT, i, id < 0 ? id : free(id, other));
              } else {
                float x = memory.getAtIndex(ValueLayout.JAVA_FLOAT, i);
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, x + norm(memory, i, out.cols()));
              }
            }
            backend.write(out, memory);
          }
        });
  }

  /** Another expert, or entry. */
  private static int free(int id, int taken) {
    int next = id == 0 ? 1 : id - 1;
    return next == taken ? id : next;
  }

  private static float norm(MemorySegment row, long last, long cols) {
    double squares = 0;
    for (long i = last - cols + 1; i <= last; i++) {
      float x = row.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      squares += (double) x * x;
    }
    return (float) Math.sqrt(squares);
  }

  private interface Before {
    void first(Object... arguments);
  }

  private interface After {
    Object then(Method method, Object[] arguments, Object result);
  }

  /** Calls {@code target}, then {@code after}. */
  private static <T> T proxy(Class<T> type, T target, After after) {
    return proxy(type, target, _ -> {}, after);
  }

  private static <T> T proxy(Class<T> type, T target, Before before, After after) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              try {
                if (arguments != null) {
                  before.first(arguments);
                }
                Object result = method.invoke(target, arguments);
                return after.then(method, arguments, result);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }
}
