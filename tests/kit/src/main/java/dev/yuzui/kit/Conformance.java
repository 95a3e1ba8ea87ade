package dev.yuzui.kit;

import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;

/**
 * A suite: one rig per backend and class. The classes that extend one name their backends, such as
 * {@code @MethodSource("dev.yuzui.kit.BackendsUnderTest#all")}.
 */
@ParameterizedClass(name = "{0}")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class Conformance {
  @Parameter protected BackendProvider provider;

  protected Rig rig;

  @BeforeParameterizedClassInvocation
  void openRig() {
    rig = Rig.open(provider);
  }

  /** The encoding called {@code label}; aborts the test where the backend keeps no such cache. */
  Encoding cacheEncoding(String label) {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    Assumptions.assumeTrue(
        rig.backend().capabilities().caches().contains(encoding),
        () -> provider.name() + " keeps no cache in " + label);
    return encoding;
  }

  @AfterParameterizedClassInvocation
  void closeRig() {
    if (rig != null) { // an unusable backend never had one
      Rig closing = rig;
      rig = null; // one object serves every backend in turn
      closing.close();
    }
  }
}
