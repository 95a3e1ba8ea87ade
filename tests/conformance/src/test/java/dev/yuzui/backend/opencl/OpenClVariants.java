package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Named.named;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.lang.reflect.RecordComponent;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;

/**
 * The opencl backend as it runs where the default is not: with a GPU's kernels on a processor. None
 * where it is not under test, or not there: {@code AvailabilityTest} says so.
 */
public final class OpenClVariants {
  private OpenClVariants() {}

  public static Stream<Named<BackendProvider>> asOnGpus() {
    return underTest(new AsOnGpus("opencl as on GPUs", Extras.NONE));
  }

  /** Of lanes that no emulated sub-group has: teams take turns. */
  public static Stream<Named<BackendProvider>> withExtras() {
    return underTest(new AsOnGpus("opencl with extensions", new Extras(8, true, true, true)));
  }

  private static Stream<Named<BackendProvider>> underTest(BackendProvider variant) {
    return BackendsUnderTest.all()
        .filter(named -> named.getPayload().name().equals("opencl"))
        .map(_ -> named(variant.name(), variant));
  }

  private record AsOnGpus(String name, Extras extras) implements BackendProvider {

    @Override
    public int preference() {
      return -1;
    }

    @Override
    public Probe probe() {
      return new OpenClProvider().probe();
    }

    @Override
    public Backend open(BackendOptions options) {
      DeviceFacts gpu = asGpu(Driver.devices().getFirst());
      return new OpenClBackend(Cl.open(gpu), extras, options);
    }
  }

  /** With what least a GPU has. */
  private static DeviceFacts asGpu(DeviceFacts device) {
    Map<String, Object> gpu = Map.of("cpu", false, "workGroup", 256, "localBytes", 32 << 10);
    try {
      RecordComponent[] parts = DeviceFacts.class.getRecordComponents();
      Object[] values = new Object[parts.length];
      for (int i = 0; i < parts.length; i++) {
        Object own = parts[i].getAccessor().invoke(device);
        values[i] = gpu.getOrDefault(parts[i].getName(), own);
      }
      return (DeviceFacts) DeviceFacts.class.getDeclaredConstructors()[0].newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("a record of this package", e);
    }
  }
}
