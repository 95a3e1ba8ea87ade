package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KernelManifestTest {
  private static final byte[] SOURCE = "void f();".getBytes(StandardCharsets.UTF_8);

  private static final KernelManifest MANIFEST =
      KernelManifest.parse(
          """
          source %s cuda/rows.cu
          ptx 75 6.5
          ptx 80 7.0
          ptx 90 7.8
          cubin 75
          cubin 80
          cubin 90
          cubin 120
          alone wgmma 90a 8.0
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

  private static CudaDevice device(int capability, int driver) {
    return new CudaDevice(0, "a device", capability, 1L << 30, 8, 100 << 10, driver);
  }

  @ParameterizedTest(name = "compute capability {0}, CUDA {1}: sm_{2}")
  @CsvSource({
    "75, 12000, 75",
    "80, 12040, 80",
    "86, 12000, 80",
    "89, 12090, 80",
    "90, 12020, 90",
    "100, 12080, 90",
    "120, 12080, 90",
    "100, 13000, 90",
    "110, 13000, 90"
  })
  void aDriverCompilesTheNewestPtxThatTheDeviceRuns(int capability, int driver, int ptx) {
    assertEquals(OptionalInt.of(ptx), MANIFEST.ptxFor(device(capability, driver)));
  }

  @ParameterizedTest
  @ValueSource(ints = {75, 80, 86, 89, 90, 120, 121})
  void driversOfTheToolkitLoadMachineCodeOfTheSameMajorVersion(int capability) {
    assertEquals(OptionalInt.empty(), MANIFEST.ptxFor(device(capability, 13000)));
    assertEquals(OptionalInt.empty(), MANIFEST.ptxFor(device(capability, 13010)));
  }

  /** A driver compiles it for the device that has it, and nothing else is ever asked for it. */
  @Test
  void aFileOfOneArchitectureHasPtxOfItsOwn() {
    assertEquals(Map.of("wgmma", 90), MANIFEST.alone());
    assertEquals(Optional.of("90a"), MANIFEST.ptxFor("wgmma", device(90, 12020)));
    assertEquals(Optional.of("90"), MANIFEST.ptxFor("rows", device(90, 12020)));
    assertEquals(Optional.empty(), MANIFEST.ptxFor("wgmma", device(90, 13000)));
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
    for (String line :
        new String[] {
          "kernel rows add pppx",
          "source",
          "ptx 90",
          "cubin sm_90",
          "alone wgmma 90 8.0",
          "module rows",
          ""
        }) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> KernelManifest.parse(line + "\n"));
      assertTrue(e.getMessage().contains("'" + line + "'"), e::getMessage);
    }
  }
}
