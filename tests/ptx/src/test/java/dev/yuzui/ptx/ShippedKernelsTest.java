package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.machine.Program;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * Every kernel, as PTX for every architecture that ships: its results are those of sums in double,
 * and nothing in it depends on luck. {@code -Dyuzui.ptx.kernel=REGEX} runs some of them.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ShippedKernelsTest {
  /** The architectures for which native-kernels/cuda/build keeps PTX. */
  private static final List<Integer> CAPABILITIES = List.of(75, 80, 90);

  /**
   * The compiler's mark where no thread can come, and the division for counts from 2^32 on, which
   * OpcodesTest runs.
   */
  private static final Set<String> OUT_OF_REACH = Set.of("trap", "div.u64");

  /** The least part of a kernel's instructions that cases come to. */
  private static final double MOST = 0.6;

  private static final String ALL = ".*";
  private static final String CHOSEN = System.getProperty("yuzui.ptx.kernel", ALL);

  private final Kernels kernels = new Kernels();

  @TestFactory
  @Order(1)
  Stream<DynamicContainer> cases() {
    return CAPABILITIES.stream()
        .map(
            capability ->
                DynamicContainer.dynamicContainer(
                    "sm_" + capability,
                    Cases.all().stream()
                        .filter(c -> c.kernel().matches(CHOSEN))
                        .filter(c -> kernels.namesFor(capability).contains(c.kernel()))
                        .map(c -> test(c, capability))));
  }

  /** The last architecture takes blocks and warps the other way round. */
  private DynamicTest test(KernelCase c, int capability) {
    return DynamicTest.dynamicTest(
        c.toString(),
        () -> {
          Device device = Device.of(kernels, capability);
          Device ordered = capability == CAPABILITIES.getLast() ? device.downwards() : device;
          c.run().accept(ordered);
          ordered.assertNoHazards();
        });
  }

  @Test
  void parametersAreThoseThatTheHostGives() {
    for (int capability : CAPABILITIES) {
      for (String name : kernels.namesFor(capability)) {
        String types =
            kernels.code(name, capability).parameters().stream()
                .map(p -> p.type().toString())
                .collect(Collectors.joining(" "));
        String given =
            kernels
                .letters(name)
                .chars()
                .mapToObj(c -> c == 'i' ? "U32" : c == 'f' ? "F32" : "U64")
                .collect(Collectors.joining(" "));
        assertEquals(given, types, name);
      }
    }
  }

  @Test
  @Order(2)
  void everyKernelOfEveryFileWasRun() {
    assumeAll();
    for (int capability : CAPABILITIES) {
      assertEquals(
          kernels.namesFor(capability), kernels.names(capability), "the manifest and the files");
      Set<String> left = new TreeSet<>(kernels.names(capability));
      kernels.programs().stream()
          .filter(p -> p.code().capability() == capability)
          .forEach(p -> left.remove(p.code().name()));
      assertEquals(Set.of(), left, "kernels that no case runs on sm_" + capability);
    }
  }

  @Test
  @Order(3)
  void everyFormOfEveryOpcodeWasRun() {
    assumeAll();
    TreeMap<String, String> left = new TreeMap<>();
    for (Program p : kernels.programs()) {
      p.code().instructions().forEach(i -> left.put(i.opcode(), p.code().name()));
    }
    int forms = left.size();
    kernels.programs().forEach(p -> left.keySet().removeAll(p.executed()));
    left.keySet().removeAll(OUT_OF_REACH);
    System.out.printf("%d programs, %d forms of opcodes%n", kernels.programs().size(), forms);
    assertEquals(Set.of(), left.entrySet(), "opcodes that no case runs, and a kernel with each");
  }

  /** Unrolled loops have ends that a case comes to only with one count in four or eight. */
  @Test
  @Order(4)
  void mostOfEveryKernelWasRun() {
    assumeAll();
    Set<String> little = new TreeSet<>();
    for (Program p : kernels.programs()) {
      if (p.covered() < MOST) {
        little.add("%s on %s: %.2f".formatted(p.code().name(), p.code().target(), p.covered()));
      }
    }
    assertEquals(Set.of(), little);
  }

  private static void assumeAll() {
    Assumptions.assumeTrue(CHOSEN.equals(ALL), "only " + CHOSEN + " was run");
  }
}
