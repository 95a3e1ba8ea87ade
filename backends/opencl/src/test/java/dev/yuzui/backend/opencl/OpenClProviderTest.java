package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider.Probe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OpenClProviderTest {
  static DeviceFacts device(int ordinal, String platform, String name, boolean cpu) {
    return new DeviceFacts(
        ordinal,
        platform,
        name,
        "OpenCL 1.2",
        "1",
        0,
        0,
        cpu,
        1 << 30,
        1 << 28,
        256,
        1 << 15,
        8,
        Set.of());
  }

  private static final List<DeviceFacts> DEVICES =
      List.of(
          device(0, "Portable Computing Language", "pthread-haswell", true),
          device(1, "Intel(R) OpenCL Graphics", "Intel(R) Arc(TM) A770", false),
          device(2, "AMD Accelerated Parallel Processing", "gfx1100", false));

  @ParameterizedTest
  @CsvSource({
    "opencl:0, 0",
    "OpenCL:2, 2",
    "1, 1",
    "opencl:gfx1100, 2",
    "arc, 1",
    "amd, 2",
    "pthread, 0"
  })
  void aDeviceIsNamedByItsNumberOrPartOfItsName(String name, int ordinal) {
    assertEquals(ordinal, OpenClProvider.named(name, DEVICES).ordinal());
  }

  @ParameterizedTest
  @ValueSource(strings = {"opencl:3", "7", "Radeon", "", "opencl:"})
  void anUnknownNameListsTheDevices(String name) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> OpenClProvider.named(name, DEVICES));
    assertEquals(
        "--device: expected one of opencl:0 (pthread-haswell), opencl:1 (Intel(R) Arc(TM) A770),"
            + " opencl:2 (gfx1100), found '"
            + name
            + "'",
        e.getMessage());
  }

  @Test
  void whereOtherBackendsServeBetterNoDriverIsLoadedUnasked(@TempDir Path folder)
      throws IOException {
    assertFalse(Icds.others(folder.resolve("missing"), true));
    assertFalse(Icds.others(folder, true));
    Files.writeString(folder.resolve("pocl.icd"), "libpocl.so.2.10.0\n");
    Files.writeString(folder.resolve("nvidia.icd"), "libnvidia-opencl.so.1\n");
    Files.writeString(folder.resolve("readme.txt"), "libother.so\n");
    assertFalse(Icds.others(folder, true));
    Files.writeString(folder.resolve("rusticl.icd"), "libRusticlOpenCL.so.1");
    Files.writeString(folder.resolve("mesa.icd"), "libMesaOpenCL.so.1");
    assertFalse(Icds.others(folder, false), "no graphics device");
    assertTrue(Icds.others(folder, true));
    Files.writeString(folder.resolve("intel.icd"), "/usr/lib/libigdrcl.so\n");
    assertTrue(Icds.others(folder, false));
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
    OpenClProvider provider = new OpenClProvider();
    assertEquals(1, provider.probeAll().size());
    BackendException e =
        assertThrows(BackendException.class, () -> provider.open(BackendOptions.defaults()));
    assertTrue(e.getMessage().contains("pocl-opencl-icd"), e::getMessage);
    assertTrue(provider.preference() < 0);
  }

  private static void everyDeviceIsProbed() {
    List<Probe> probes = new OpenClProvider().probeAll();
    assertEquals(Driver.devices().size(), probes.size());
    for (Probe probe : probes) {
      assertTrue(
          probe instanceof Probe.Unusable
              || probe instanceof Probe.Usable(String name, long free)
                  && name.contains("opencl:")
                  && free > 0,
          probe::toString);
    }
  }
}
