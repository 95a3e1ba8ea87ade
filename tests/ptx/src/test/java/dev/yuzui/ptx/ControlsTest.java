package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.Program;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.ArrayList;
import java.util.List;
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

/**
 * Faults that are put into the kernels' text, of the kinds that a compiler or an author makes: each
 * must be told. What the cases find nothing in is then worth something.
 */
class ControlsTest {
  private static final Pattern BARRIER = Pattern.compile("bar\\.sync 0;");
  private static final Pattern WARP_BARRIER = Pattern.compile("bar\\.warp\\.sync [^;]*;");
  private static final Pattern WAIT = Pattern.compile("griddepcontrol\\.wait;");
  private static final Pattern COPY_WAIT = Pattern.compile("cp\\.async\\.wait_group \\d;");
  private static final Pattern FENCE = Pattern.compile("membar\\.gl;");
  private static final Pattern MMA_A =
      Pattern.compile("(mma\\.sync\\S*\\s*\\{[^}]*},\\s*\\{)(%r\\d+),\\s*(%r\\d+)");

  private final Kernels kernels = new Kernels();

  // ---- what is told
  // ---------------------------------------------------------------------------------

  private Set<Hazard.Kind> hazards(
      String kernel, String what, int capability, UnaryOperator<String> edit) {
    Device device = Device.edited(kernels, capability, kernel, edit);
    try {
      Cases.of(kernel, what).run().accept(device);
    } catch (AssertionFailedError | PtxFault e) {
      // wrong numbers may come of it, and addresses made of them
      if (device.hazards().isEmpty()) {
        throw e;
      }
    }
    return device.hazards().stream()
        .map(Hazard::kind)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private void assertTold(
      Hazard.Kind kind, String kernel, String what, int capability, UnaryOperator<String> edit) {
    Set<Hazard.Kind> kinds = hazards(kernel, what, capability, edit);
    assertTrue(kinds.contains(kind), kernel + " has " + kinds);
  }

  private static UnaryOperator<String> without(Pattern pattern) {
    return text -> {
      Matcher m = pattern.matcher(text);
      assertTrue(m.find(), "there is no " + pattern);
      return m.replaceAll("");
    };
  }

  /** Only occurrence {@code index} of them. */
  private static UnaryOperator<String> without(Pattern pattern, int index) {
    return text -> {
      List<MatchResult> found = pattern.matcher(text).results().toList();
      MatchResult one = found.get(index);
      return text.substring(0, one.start()) + text.substring(one.end());
    };
  }

  private int count(String kernel, int capability, Pattern pattern) {
    List<Integer> count = new ArrayList<>();
    kernels.edited(
        kernel,
        capability,
        text -> {
          count.add((int) pattern.matcher(text).results().count());
          return text;
        });
    return count.getFirst();
  }

  // ---- barriers
  // -------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "rms_norm, columns by four",
    "to_half, rows of any size",
    "argmax, three blocks",
    "mla_plain_f16, odd sizes",
    "mla_combine, '512/64, parts'",
    "gather_latent_f16, odd sizes",
    "attend_decode_f16, '7/1/64, neighbours'",
    "attend_prompt_e4m3, '7/1/64, prompts'",
    "attend_combine, '128, rows in parts'",
    "attend_plain_bf16, 3/3/38",
    "top_k_part, columns by four",
  })
  void aKernelWithoutItsBarriers(String kernel, String what) {
    assertTold(Hazard.Kind.RACE_IN_BLOCK, kernel, what, 80, without(BARRIER));
  }

  /**
   * Each barrier that the case comes to, but for those that are spare: a scan of prefill_rows
   * begins with one, for the scan before it, and two of its scans have none before them; a run of
   * attend_* begins with one, for the run before it, and the first tile's would do.
   */
  @ParameterizedTest
  @CsvSource({
    "mla_decode_f16, '512/64, whole rows', 0",
    "attend_decode_f16, '7/1/64, neighbours', 1",
    "attend_decode_e4m3, every count of stages, 1",
    "attend_prompt_f16, '7/1/64, prompts', 1",
    "attend_prompt_e4m3, '7/1/64, prompts', 1",
    "matvec_q4_k, 'nine rows, gated, columns split between blocks', 0",
    "gemm_f16_small, columns split between blocks, 0",
    "prefill_rows, 40 rows, 2",
  })
  void anyOneBarrier(String kernel, String what, int spare) {
    Cases.of(kernel, what).run().accept(Device.of(kernels, 80));
    Program program = kernels.program(kernel, 80);
    List<Integer> barriers =
        program.code().instructions().stream()
            .filter(i -> i.opcode().equals("bar.sync"))
            .map(Instruction::index)
            .toList();
    List<String> spared = new ArrayList<>();
    for (int n = 0; n < barriers.size(); n++) {
      if (program.executed(barriers.get(n))
          && hazards(kernel, what, 80, without(BARRIER, n)).isEmpty()) {
        spared.add("barrier " + n);
      }
    }
    assertEquals(spare, spared.size(), spared::toString);
  }

  /** Its first lanes already make addresses of what is not there yet. */
  @Test
  void aSortWithoutItsBarriers() {
    assertTold(Hazard.Kind.RACE_IN_WARP, "permute", "one round", 80, without(BARRIER));
  }

  @Test
  void lanesThatCountInTurnsWithoutBarriersOfTheWarp() {
    assertTold(Hazard.Kind.RACE_IN_WARP, "permute", "one round", 80, without(WARP_BARRIER));
    assertTold(
        Hazard.Kind.RACE_IN_WARP, "route", "sigmoid, bias, two best", 80, without(WARP_BARRIER));
  }

  // ---- copies
  // ---------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "mla_decode_f16, '512/64, whole rows'",
    "mla_decode_e4m3, '64/16, whole rows'",
    "attend_decode_f16, '7/1/64, neighbours'",
    "attend_prompt_e4m3, '7/1/64, prompts'",
    "mla_flash, two sequences",
    "gemm_q4_k_small, '70 rows, two heads'",
  })
  void copiesThatNobodyWaitsFor(String kernel, String what) {
    assertTold(Hazard.Kind.COPY_IN_FLIGHT, kernel, what, 80, without(COPY_WAIT));
  }

  /** One group less is waited for than the pipeline needs. */
  @Test
  void copiesThatAreWaitedForOneGroupTooLittle() {
    assertTold(
        Hazard.Kind.COPY_IN_FLIGHT,
        "gemm_f16_small",
        "70 rows, two heads",
        80,
        text -> text.replace("cp.async.wait_group 1;", "cp.async.wait_group 2;"));
  }

  // ---- the kernel before
  // ------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "rms_norm, columns by four",
    "mla_decode_f16, '64/16, whole rows'",
    "attend_decode_f16, '7/1/64, neighbours'",
    "attend_prompt_bf16, 'a run of 45 rows'",
    "append_e4m3, two heads of 64",
    "add_row, columns by four",
    "gate_f32, one token",
    "matvec_q8_0, 'three rows, a strip for each warp'",
    "matvec_q8_0, 'by expert, gated'",
  })
  void aKernelThatDoesNotWaitForTheOneBefore(String kernel, String what) {
    Set<Hazard.Kind> kinds = hazards(kernel, what, 90, without(WAIT));
    assertTrue(
        kinds.containsAll(
            Set.of(
                Hazard.Kind.READ_BEFORE_WAIT,
                Hazard.Kind.WRITE_BEFORE_WAIT,
                Hazard.Kind.END_BEFORE_WAIT)),
        kinds::toString);
  }

  /** matvec waits in two places, one for each kind of product. */
  @Test
  void theWaitOfTheOtherBranch() {
    String dense = "three rows, a strip for each warp";
    long told =
        List.of(0, 1).stream()
            .filter(i -> !hazards("matvec_f16", dense, 90, without(WAIT, i)).isEmpty())
            .count();
    assertTrue(told == 1, told + " of the two waits are missed");
  }

  @Test
  void whatIsReadAsConstantButWritten() {
    assertTold(
        Hazard.Kind.NOT_READ_ONLY,
        "mla_flash_small",
        "48/16/32",
        90,
        text -> text.replace("ld.global.v4.f32", "ld.global.nc.v4.f32"));
  }

  // ---- between blocks
  // -----------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "argmax, three blocks",
    "gate_f32, two tokens",
    "matvec_q4_k, 'nine rows, gated, columns split between blocks'",
    "gemm_f16_small, columns split between blocks",
  })
  void eitherFenceOfTheBlockThatComesLast(String kernel, String what) {
    int fences = count(kernel, 80, FENCE);
    assertTrue(fences >= 2, kernel + " has " + fences);
    for (int i = 0; i < fences; i++) {
      assertTold(Hazard.Kind.RACE_BETWEEN_BLOCKS, kernel, what, 80, without(FENCE, i));
    }
  }

  /** A fence before the barrier is no fence of what the barrier brings. */
  @Test
  void theFenceBeforeTheBarrier() {
    assertTold(
        Hazard.Kind.RACE_BETWEEN_BLOCKS,
        "argmax",
        "three blocks",
        80,
        text -> without(FENCE, 0).apply(text).replace("bar.sync 0;", "membar.gl; bar.sync 0;"));
  }

  // ---- alignment
  // ----------------------------------------------------------------------------------------

  /** As the source had it: an assembler may put float[8][128] at a multiple of 4. */
  @Test
  void sharedMemoryThatPromisesTooLittle() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                hazards(
                    "mla_combine",
                    "512/64, parts",
                    80,
                    text -> text.replace(".align 16 .b8", ".align 4 .b8")));
    assertTrue(fault.getMessage().contains("no multiple of the 16 bytes"), fault::getMessage);
  }

  /** rms_norm asks whether addresses are aligned; without the question it is wrong. */
  @Test
  void vectorsAtAnyAddress() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                hazards(
                    "add",
                    "not aligned",
                    80,
                    text ->
                        text.replaceAll("and\\.b64 (%rd\\d+), (%rd\\d+), 15;", "mov.u64 $1, 0;")));
    assertTrue(fault.getMessage().contains("no multiple of the 16 bytes"), fault::getMessage);
  }

  @Test
  void anAccessBeyondABuffer() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                hazards(
                    "add",
                    "whole groups of four and a rest",
                    80,
                    text ->
                        text.replaceFirst(
                            "(ld\\.param\\.u64 (%rd\\d+), \\[add_param_3];)",
                            "$1\nadd.s64 $2, $2, 4;")));
    assertTrue(fault.getMessage().contains("at offset"), fault::getMessage);
  }

  // ---- numbers
  // ------------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "gemm_q4_k_small, '70 rows, two heads'",
    "gemm_f16_large, 140 rows",
    "matvec_q6_k, 'three rows, a strip for each warp'",
    "mla_decode_bf16, '512/64, whole rows'",
    "attend_decode_bf16, '7/1/64, neighbours'",
    "attend_prompt_f16, '7/1/64, prompts'",
    "mla_flash, two sequences",
  })
  void twoRegistersOfAFragmentExchanged(String kernel, String what) {
    for (int capability : List.of(75, 80)) {
      Device device =
          Device.edited(
              kernels, capability, kernel, text -> MMA_A.matcher(text).replaceAll("$1$3, $2"));
      assertThrows(
          AssertionFailedError.class, () -> Cases.of(kernel, what).run().accept(device), kernel);
    }
  }

  @Test
  void aMatrixThatIsNotTransposed() {
    Device device =
        Device.edited(
            kernels,
            80,
            "mla_decode_f16",
            text -> text.replaceAll("(ldmatrix\\S* \\{)(%r\\d+),\\s*(%r\\d+)", "$1$3,$2"));
    assertThrows(
        AssertionFailedError.class,
        () -> Cases.of("mla_decode_f16", "512/64, whole rows").run().accept(device));
  }

  @Test
  void aLaneThatNeverComesToAShuffle() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                hazards(
                    "rms_norm",
                    "odd columns",
                    80,
                    text ->
                        text.substring(0, text.lastIndexOf('}'))
                                .replaceFirst(
                                    "shfl\\.sync",
                                    """
                                    mov.u32 %r1, %tid.x;
                                    setp.eq.s32 %p1, %r1, 5;
                                    @%p1 bra \\$away;
                                    shfl.sync""")
                            + "$away: bar.sync 0;\nret;\n}"));
    assertTrue(fault.getMessage().contains("never come to it"), fault::getMessage);
  }
}
