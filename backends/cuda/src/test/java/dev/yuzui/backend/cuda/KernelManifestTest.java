package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class KernelManifestTest {
  private static final byte[] SOURCE = "void f();".getBytes(StandardCharsets.UTF_8);

  private static final KernelManifest MANIFEST =
      KernelManifest.parse(
          """
          source %s cuda/rows.cu
          kernel rows rms_norm ppfpi
          kernel rows add pppl
          """
              .formatted(KernelManifest.sha256(SOURCE)));

  @Test
  void namesKernelsAndTheirParameters() {
    assertEquals(
        Map.of(
            "rms_norm", new KernelManifest.Entry("rows", "ppfpi"),
            "add", new KernelManifest.Entry("rows", "pppl")),
        MANIFEST.kernels());
  }

  @Test
  void isFreshWhileTheSourcesAreWhatWasCompiled() {
    assertEquals(Optional.empty(), MANIFEST.stale(_ -> Optional.of(SOURCE)));
  }

  @Test
  void isStaleOnceASourceChangedOrWent() {
    assertEquals(Optional.of("cuda/rows.cu"), MANIFEST.stale(_ -> Optional.of(new byte[] {1})));
    assertEquals(Optional.of("cuda/rows.cu"), MANIFEST.stale(_ -> Optional.empty()));
  }

  @Test
  void refusesLinesItDoesNotKnow() {
    for (String line : new String[] {"kernel rows add pppx", "source", "module rows", ""}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> KernelManifest.parse(line + "\n"));
      assertTrue(e.getMessage().contains("'" + line + "'"), e::getMessage);
    }
  }
}
