package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.CheckedDevices;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.SelfCheck;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** On plain loops, which are right, and on queues that are not. */
class SelfCheckTest {
  @Test
  void whatIsRightPasses() {
    try (Backend backend = new ReferenceProvider().open(BackendOptions.defaults())) {
      assertDoesNotThrow(() -> SelfCheck.all(backend, "a device"));
    }
  }

  @Test
  void aReplayThatDoesNothingIsTold() {
    try (Backend backend = new ReferenceProvider().open(BackendOptions.defaults())) {
      Backend forgetful =
          without(Backend.class, backend, "openQueue", DeviceQueue.class, "record", "replay");
      var e =
          assertThrows(BackendException.class, () -> SelfCheck.order(forgetful, "gpu (vendor)"));
      assertTrue(e.getMessage().contains("gpu (vendor) computes wrongly"), e.getMessage());
      assertTrue(e.getMessage().contains("in a recorded step"), e.getMessage());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          matmul     | a product of 3 rows
          rmsNorm    | a norm
          mlaDecode  | attention over latents
          attend     | attention over keys and values
          gate       | the choice of experts
          expertFfn  | rows through experts
          combine    | rows through experts
          topK       | the best of many numbers
          """)
  void anOpThatDoesNothingIsTold(String op, String what) {
    try (Backend backend = new ReferenceProvider().open(BackendOptions.defaults())) {
      Backend idle = without(Backend.class, backend, "openQueue", DeviceQueue.class, "ops", op);
      var e = assertThrows(BackendException.class, () -> SelfCheck.all(idle, "a gpu"));
      assertTrue(e.getMessage().startsWith("a gpu computes wrongly: of "), e.getMessage());
      assertTrue(e.getMessage().contains(what), e.getMessage());
    }
  }

  /** The first form is wrong, so the second is taken, at once when asked again. */
  @Test
  void theFormThatPassedIsKept(@TempDir Path folder) {
    var checks = new CheckedDevices(Optional.of(folder), _ -> {});
    var opened = new ArrayList<String>();
    Function<String, Backend> open =
        form -> {
          opened.add(form);
          Backend right = new ReferenceProvider().open(BackendOptions.defaults());
          return form.equals("quick")
              ? without(Backend.class, right, "openQueue", DeviceQueue.class, "ops", "matmul")
              : right;
        };
    String key = CheckedDevices.key("a-backend", List.of("a driver", "kernels"));
    for (int i = 0; i < 2; i++) {
      assertEquals("slow", checks.check(key, "a gpu", List.of("quick", "slow"), open));
      assertEquals(List.of("quick", "slow"), opened);
    }
    String other = CheckedDevices.key("a-backend", List.of("a driver, kernels"));
    assertThrows(
        BackendException.class, () -> checks.check(other, "a gpu", List.of("quick"), open));
    assertThrows(
        BackendException.class, () -> checks.check(other, "a gpu", List.of("quick"), open));
    assertEquals(4, opened.size(), "what failed is tried again");
  }

  /** {@code real}, whose {@code opens} gives a queue whose recordings do nothing when replayed. */
  private static <T> T without(
      Class<T> type, T real, String opens, Class<?> opened, String records, String replays) {
    return type.cast(
        Proxy.newProxyInstance(
            SelfCheckTest.class.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              if (method.getName().equals(replays)) {
                return null;
              }
              try {
                Object result = method.invoke(real, arguments);
                if (method.getName().equals(opens)) {
                  return proxy(opened, result, records, replays);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  private static <T> T proxy(Class<T> type, Object real, String records, String replays) {
    Class<?> within = records.equals("ops") ? Ops.class : DeviceQueue.Recording.class;
    return without(type, type.cast(real), records, within, "none", replays);
  }
}
