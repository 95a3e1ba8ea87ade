package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider.Probe;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CudaProviderTest {
  private static CudaDevice device(int ordinal, String name, int capability) {
    return new CudaDevice(ordinal, name, capability, 1L << 30, 8, 100 << 10, 13000);
  }

  private static final List<CudaDevice> DEVICES =
      List.of(
          device(0, "Quadro P400", 61), device(1, "NVIDIA L4", 89), device(2, "NVIDIA H200", 90));

  @ParameterizedTest
  @CsvSource({"cuda:0, 0", "CUDA:2, 2", "1, 1", "h200, 2", "nvidia, 1", "cuda, 1"})
  void aDeviceIsNamedByItsNumberOrPartOfItsName(String name, int ordinal) {
    assertEquals(ordinal, CudaProvider.named(name, DEVICES).ordinal());
  }

  @ParameterizedTest
  @ValueSource(strings = {"cuda:3", "7", "Radeon", "", "opencl:0"})
  void anUnknownNameListsTheDevices(String name) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> CudaProvider.named(name, DEVICES));
    assertEquals(
        "--device: expected one of cuda:0 (Quadro P400), cuda:1 (NVIDIA L4), cuda:2 (NVIDIA H200),"
            + " found '"
            + name
            + "'",
        e.getMessage());
  }

  @Test
  void driversFrom525OnAreNewEnough() {
    assertEquals(Optional.empty(), Driver.tooOld(12000));
    Probe.Unusable old = Driver.tooOld(11080).orElseThrow();
    assertEquals("the NVIDIA driver speaks CUDA 11.8, 12.0 is needed", old.because());
    assertEquals("install NVIDIA's driver 525 or newer", old.fix());
  }

  @ParameterizedTest
  @CsvSource({"89, 13000, false", "90, 12000, false", "90, 12030, true", "120, 13000, true"})
  void kernelsBeginEarlyWhereDeviceAndDriverCanRecordThat(int capability, int driver, boolean can) {
    CudaDevice device = new CudaDevice(0, "a device", capability, 1L << 30, 8, 100 << 10, driver);
    assertEquals(can, EarlyLaunch.suits(device));
  }

  /** The reason and the fix where there is no driver, every device where there is one. */
  @Test
  void aProbeSaysWhatIsThere() {
    if (Driver.refusal().isPresent()) {
      theReasonAndTheFixAreGiven();
    } else {
      everyDeviceIsProbed();
    }
  }

  private static void theReasonAndTheFixAreGiven() {
    CudaProvider provider = new CudaProvider();
    assertEquals(1, provider.probeAll().size());
    Assumptions.assumeTrue(
        provider.probe() instanceof Probe.Unusable(String because, String fix)
            && because.startsWith("no libcuda.so.1"),
        "a driver without a device");
    BackendException e =
        assertThrows(BackendException.class, () -> provider.open(BackendOptions.defaults()));
    assertEquals(
        "no libcuda.so.1 on this machine: install NVIDIA's driver 525 or newer", e.getMessage());
  }

  private static void everyDeviceIsProbed() {
    List<CudaDevice> devices = Driver.devices();
    List<Probe> probes = new CudaProvider().probeAll();
    assertEquals(devices.size(), probes.size());
    for (CudaDevice device : devices) {
      switch (probes.get(device.ordinal())) {
        case Probe.Usable(String name, long free) ->
            assertTrue(name.contains("cuda:" + device.ordinal()) && free > 0, name + ": " + free);
        case Probe.Unusable(String because, String _) ->
            assertTrue(device.capability() < CudaDevice.OLDEST, because);
      }
    }
  }
}
