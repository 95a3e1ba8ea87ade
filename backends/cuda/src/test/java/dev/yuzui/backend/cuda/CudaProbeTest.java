package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider.Probe;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class CudaProbeTest {
  private static CudaProbe probe() {
    if (new CudaProvider().probe() instanceof Probe.Unusable(String because, String fix)) {
      Assumptions.abort("cuda is unusable: " + because + ". " + fix);
    }
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
