package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.opentest4j.TestAbortedException;

/** The rig finds what it is there to find: a sum with a defect is refused, a sound one passes. */
class RigTest {
  private static final int COLS = 5;

  /** What happens in place of {@code out = a + b}. */
  interface Defect {
    void add(Device device, Tensor a, Tensor b, Tensor out);
  }

  record Device(Backend backend, DeviceQueue queue) {
    float get(Tensor t, int i) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment one = arena.allocate(ValueLayout.JAVA_FLOAT);
        backend.read(element(t, i), one);
        return one.get(ValueLayout.JAVA_FLOAT, 0);
      }
    }

    void set(Tensor t, int i, float value) {
      try (Arena arena = Arena.ofConfined()) {
        backend.write(element(t, i), arena.allocateFrom(ValueLayout.JAVA_FLOAT, value));
      }
    }

    void sum(Tensor a, Tensor b, Tensor out) {
      queue.ops().add(a, b, out);
    }

    private static Tensor element(Tensor t, int i) {
      return new Tensor(t.name(), t.buffer(), t.byteOffset() + 4L * i, Encoding.F32, 1, 1);
    }
  }

  static Stream<Arguments> defects() {
    AtomicInteger runs = new AtomicInteger();
    return Stream.of(
        defect(
            "wrote outside its tensor: byte 0 of out_after",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(out, COLS, 0));
            }),
        defect(
            "wrote outside its tensor: byte 252 of out_before",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(out, -1, 0));
            }),
        defect(
            "wrote into its input a",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(a, 2, 0));
            }),
        defect(
            "an op ran while it was recorded",
            (d, a, b, out) -> {
              d.set(out, 0, 1);
              d.sum(a, b, out);
            }),
        defect(
            "replay with contents 1 is not the eager run",
            (d, a, b, out) -> {
              float kept = d.get(a, 0) + d.get(b, 0);
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(out, 0, kept));
            }),
        defect(
            "replay with contents 0 is not the eager run",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue()
                  .hostTask(
                      () -> d.set(out, 0, d.get(out, 0) * (1 + runs.incrementAndGet() * 1e-6f)));
            }),
        defect(
            "out[0, 4], contents 0: NaN",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(out, COLS - 1, Float.NaN));
            }),
        defect(
            "out[0, 1], contents 0",
            (d, a, b, out) -> {
              d.sum(a, b, out);
              d.queue().hostTask(() -> d.set(out, 1, d.get(out, 1) + 1e-2f));
            }));
  }

  private static Arguments defect(String found, Defect defect) {
    return Arguments.of(found, defect);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("defects")
  void finds(String found, Defect defect) {
    AssertionError e = assertThrows(AssertionError.class, () -> sumOn(defect));
    assertTrue(e.getMessage().contains(found), e::getMessage);
  }

  @Test
  void passesASoundSum() {
    sumOn(Device::sum);
  }

  @Test
  void skipsAnUnusableBackendWithItsReason() {
    BackendProvider.Probe unusable =
        new BackendProvider.Probe.Unusable("no such device", "Plug one in.");
    BackendProvider nameless =
        intercept(BackendProvider.class, new ReferenceProvider(), "probe", _ -> unusable);
    // no backend that -Dyuzui.require could name
    BackendProvider provider = intercept(BackendProvider.class, nameless, "name", _ -> "absent");
    TestAbortedException e = assertThrows(TestAbortedException.class, () -> Rig.open(provider));
    assertTrue(
        e.getMessage().contains("absent is unusable: no such device. Plug one in."), e::getMessage);
  }

  private static void sumOn(Defect defect) {
    try (Rig rig = Rig.open(with(defect))) {
      rig.compare(
          bench -> {
            Tensor a = bench.input("a", Values.normal(1, COLS, 1));
            Tensor b = bench.input("b", Values.normal(1, COLS, 2));
            Tensor out = bench.output("out", 1, COLS, Tolerance.ofRow(1e-3));
            return ops -> ops.add(a, b, out);
          });
    }
  }

  /** The reference backend with {@code defect} for its sum. */
  private static BackendProvider with(Defect defect) {
    return intercept(
        BackendProvider.class,
        new ReferenceProvider(),
        "open",
        _ -> {
          Backend backend = new ReferenceProvider().open(BackendOptions.defaults());
          return intercept(
              Backend.class,
              backend,
              "openQueue",
              _ -> {
                DeviceQueue queue = backend.openQueue();
                Ops ops =
                    intercept(
                        Ops.class,
                        queue.ops(),
                        "add",
                        args -> {
                          defect.add(
                              new Device(backend, queue),
                              (Tensor) args[0],
                              (Tensor) args[1],
                              (Tensor) args[2]);
                          return null;
                        });
                return intercept(DeviceQueue.class, queue, "ops", _ -> ops);
              });
        });
  }

  private static <T> T intercept(
      Class<T> type, T target, String method, Function<Object[], Object> body) {
    Object proxy =
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, called, args) -> {
              if (called.getName().equals(method)) {
                return body.apply(args);
              }
              try {
                return called.invoke(target, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
    return type.cast(proxy);
  }
}
