package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.BackendOptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class CudaProbeTest {
  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new CudaProvider());
  }

  private static CudaProbe probe() {
    return CudaProbe.of(BackendOptions.defaults());
  }

  @Test
  void aDeviceHasRoofs() {
    CudaProbe.Roofs roofs = probe().roofs();
    assertTrue(roofs.copyBytesPerSecond() > 0, roofs::toString);
    assertTrue(roofs.bf16FlopPerSecond() > 0, roofs::toString);
  }

  @Test
  void attentionOfADecodeStepIsMeasuredAlone() {
    CudaProbe.LatentDecode decode = probe().latentDecode(2, 100);
    assertEquals(16, decode.heads());
    assertTrue(decode.bytesPerSecond() > 0, decode::toString);
  }
}
