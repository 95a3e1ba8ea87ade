package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class CheckedOpsTest {

  /** One with a body in {@link Ops} would compile without. */
  @Test
  void checksEveryOp() {
    List<String> unchecked =
        Arrays.stream(CheckedOps.class.getMethods())
            .filter(m -> m.getDeclaringClass() == Ops.class)
            .map(Method::getName)
            .toList();
    assertEquals(List.of(), unchecked);
  }
}
