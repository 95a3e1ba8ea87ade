package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class FormTest {
  private static List<String> forms(int capability, boolean early) {
    CudaDevice device = new CudaDevice(0, "a device", capability, 1L << 30, 132, 227 << 10, 13000);
    return Form.of(device, early).stream().map(Form::toString).toList();
  }

  @Test
  void whatIsFasterIsTriedFirst() {
    assertEquals(
        List.of(
            "kernels begin early, products by wgmma",
            "kernels begin early",
            "kernels begin in turn, products by wgmma",
            "kernels begin in turn"),
        forms(90, true));
    assertEquals(
        List.of("kernels begin in turn, products by wgmma", "kernels begin in turn"),
        forms(90, false));
  }

  /** Code for sm_90a runs on 9.0 and on nothing after it. */
  @Test
  void otherDevicesHaveNoWgmma() {
    for (int capability : new int[] {75, 80, 89, 100, 120}) {
      assertEquals(List.of("kernels begin in turn"), forms(capability, false));
    }
    assertEquals(List.of("kernels begin early", "kernels begin in turn"), forms(120, true));
  }
}
