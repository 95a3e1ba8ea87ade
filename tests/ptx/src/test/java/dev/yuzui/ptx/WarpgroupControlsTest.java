package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opentest4j.AssertionFailedError;

/** As {@link ControlsTest}: faults of the kinds that wgmma, mbarriers and bulk copies ask for. */
class WarpgroupControlsTest {
  private static final int CAPABILITY = 90;
  private static final String KERNEL = "gemm_q8_0_wgmma";
  private static final String CASE = "by expert, in place";

  private static final Pattern WAIT = Pattern.compile("mbarrier\\.try_wait[^;]*;");

  private final Kernels kernels = new Kernels();

  private Set<Hazard.Kind> hazards(UnaryOperator<String> edit) {
    return hazards(CASE, edit);
  }

  private Set<Hazard.Kind> hazards(String what, UnaryOperator<String> edit) {
    Device device = Device.edited(kernels, CAPABILITY, KERNEL, edit);
    try {
      Cases.of(KERNEL, what).run().accept(device);
    } catch (AssertionFailedError | PtxFault e) {
      // wrong numbers may come of it, and waits that never end
      if (device.hazards().isEmpty()) {
        throw e;
      }
    }
    return device.hazards().stream()
        .map(Hazard::kind)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private void assertTold(Hazard.Kind kind, UnaryOperator<String> edit) {
    Set<Hazard.Kind> kinds = hazards(edit);
    assertTrue(kinds.contains(kind), kinds::toString);
  }

  private static UnaryOperator<String> replace(String regex, String by) {
    return text -> {
      Matcher m = Pattern.compile(regex).matcher(text);
      assertTrue(m.find(), "there is no " + regex);
      return m.replaceAll(by);
    };
  }

  /** The control of the controls: as it ships, nothing is told. */
  @Test
  void nothingIsToldOfTheKernelAsItShips() {
    assertTrue(hazards(UnaryOperator.identity()).isEmpty());
  }

  @ParameterizedTest
  @CsvSource({
    // x is stored by ordinary copies, and read by the async proxy
    "'fence\\.proxy\\.async\\.shared::cta;', NOT_SHOWN",
    "'fence\\.mbarrier_init\\.release\\.cluster;', NOT_SHOWN",
    "'bar\\.sync 0;', RACE_IN_BLOCK",
    "'cp\\.async\\.wait_group \\d;', COPY_IN_FLIGHT",
    "'wgmma\\.fence\\.sync\\.aligned;', REGISTER_OF_PRODUCT",
    // the sums are taken before they are made
    "'wgmma\\.wait_group\\.sync\\.aligned 0;', REGISTER_OF_PRODUCT",
    "'wgmma\\.commit_group\\.sync\\.aligned;', REGISTER_OF_PRODUCT",
  })
  void anInstructionThatIsMissing(String regex, Hazard.Kind kind) {
    assertTold(kind, replace(regex, ""));
  }

  /** The next A is decoded over one in use, and x given back that is read. */
  @Test
  void productsThatNobodyWaitsForOnTheWay() {
    Set<Hazard.Kind> kinds =
        hazards("long rows", replace("wgmma\\.wait_group\\.sync\\.aligned 1;", ""));
    assertTrue(
        kinds.containsAll(Set.of(Hazard.Kind.REGISTER_OF_PRODUCT, Hazard.Kind.PRODUCT_IN_FLIGHT)),
        kinds::toString);
  }

  /** Lane 0 arrives for a warp, which must have met before. */
  @Test
  void aWarpThatDoesNotMeetBeforeItArrives() {
    assertTold(Hazard.Kind.RACE_IN_BLOCK, replace("bar\\.warp\\.sync [^;]*;", ""));
  }

  /** Waiting for a phase of the other parity is waiting for the one before. */
  @ParameterizedTest
  @CsvSource({"0", "1"})
  void aParityThatIsAlwaysTheSame(int parity) {
    String by = "$1" + parity + ";";
    assertTrue(
        isTold(
            "long rows",
            replace("(mbarrier\\.try_wait\\.parity\\S* \\w+, \\[%r\\d+], )%r\\d+;", by)));
  }

  /** The phase ends before its bytes have come. */
  @Test
  void bytesThatNobodyAnnounced() {
    assertTold(
        Hazard.Kind.COPY_IN_FLIGHT,
        replace(
            "mbarrier\\.arrive\\.expect_tx\\.shared::cta\\.b64 _, (\\[%r\\d+]), %r\\d+;",
            "mbarrier.arrive.shared::cta.b64 _, $1;"));
  }

  /** Room is given back before it was used. */
  @Test
  void stagesThatAreNotGivenBack() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                hazards(
                    "long rows",
                    text ->
                        text.substring(0, text.indexOf("wgmma.mma_async"))
                            + text.substring(text.indexOf("wgmma.mma_async"))
                                .replaceAll("mbarrier\\.arrive\\.shared::cta\\.b64[^;]*;", "")));
    assertTrue(fault.getMessage().contains("nobody ends the phase"), fault::getMessage);
  }

  /** Each of the waits: for room, for x and for weights. */
  @Test
  void anyWaitThatIsNone() {
    int waits =
        (int)
            kernels.code(KERNEL, CAPABILITY).instructions().stream()
                .filter(i -> i.has("try_wait"))
                .count();
    for (int i = 0; i < waits; i++) {
      int index = i;
      assertTrue(isTold("long rows", text -> withoutWait(text, index)), "wait " + i + " is spare");
    }
  }

  private static String withoutWait(String text, int index) {
    MatchResult wait = WAIT.matcher(text).results().toList().get(index);
    return text.substring(0, wait.start())
        + "setp.eq.s32 ended, 0, 0;"
        + text.substring(wait.end());
  }

  /** Whether anything is: a hazard, or an mbarrier that is used as none may be. */
  private boolean isTold(String what, UnaryOperator<String> edit) {
    try {
      return !hazards(what, edit).isEmpty();
    } catch (PtxFault fault) {
      return fault.getMessage().contains("mbarrier");
    }
  }

  // ---- numbers
  // ------------------------------------------------------------------------------------------

  private void assertWrong(String what, UnaryOperator<String> edit) {
    Device device = Device.edited(kernels, CAPABILITY, KERNEL, edit);
    assertThrows(AssertionFailedError.class, () -> Cases.of(KERNEL, what).run().accept(device));
  }

  @Test
  void twoRegistersOfAFragmentExchanged() {
    assertWrong(
        CASE, replace("(wgmma\\.mma_async\\S* \\{[^}]*}, \\{)(%r\\d+), (%r\\d+)", "$1$3, $2"));
  }

  /** The descriptor says 64 bytes where stores went by 128. */
  @Test
  void anotherSwizzle() {
    long by128 = 1L << 62 | 64L << 32 | 1L << 16;
    long by64 = 2L << 62 | 64L << 32 | 1L << 16;
    assertWrong(CASE, replace(String.valueOf(by128), String.valueOf(by64)));
  }

  /** Eight rows further on lies what the descriptor's stride says. */
  @Test
  void anotherStride() {
    long right = 1L << 62 | 64L << 32 | 1L << 16;
    assertWrong("two heads", replace(String.valueOf(right), String.valueOf(right - (32L << 32))));
  }
}
