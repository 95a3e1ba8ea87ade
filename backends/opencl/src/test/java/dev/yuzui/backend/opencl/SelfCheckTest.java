package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceQueue;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.junit.jupiter.api.Test;

/** On plain loops, which are right, and on queues that are not. */
class SelfCheckTest {
  @Test
  void whatIsRightPasses() {
    try (Backend backend = new ReferenceProvider().open(BackendOptions.defaults())) {
      assertDoesNotThrow(() -> SelfCheck.run(backend, "a device"));
    }
  }

  @Test
  void aReplayThatDoesNothingIsTold() {
    try (Backend backend = new ReferenceProvider().open(BackendOptions.defaults())) {
      Backend forgetful =
          without(Backend.class, backend, "openQueue", DeviceQueue.class, "record", "replay");
      var e = assertThrows(BackendException.class, () -> SelfCheck.run(forgetful, "gpu (vendor)"));
      assertTrue(e.getMessage().contains("gpu (vendor) computes wrongly"), e.getMessage());
      assertTrue(e.getMessage().contains("in a recorded step"), e.getMessage());
    }
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
    return without(type, type.cast(real), records, DeviceQueue.Recording.class, "none", replays);
  }
}
