package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.machine.Program;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;

/**
 * Takes away, one at a time, every instruction that orders something and that a case comes to, and
 * counts those that nobody misses. What is known to be spare stands here; more would be a detector
 * that has become blind, or a barrier that a kernel no longer needs.
 */
@Tag("long")
class SweepTest {
  private static final int CAPABILITY = 90;

  private static final Pattern ORDERS =
      Pattern.compile(
          "bar\\.sync 0;|bar\\.warp\\.sync [^;]*;|cp\\.async\\.(?:wait_group \\d|commit_group);"
              + "|membar\\.gl;|griddepcontrol\\.wait;|fence\\.[^;]*;"
              + "|wgmma\\.(?:fence|commit_group|wait_group)[^;]*;");

  /** Formats are alike in what they order: one of each kind. */
  private static final Pattern KERNELS =
      Pattern.compile(
          "(?!matvec|gemm|matmul|repack|embed|transpose).*"
              + "|(matvec|gemm|matmul|repack|embed|transpose_heads)_(q4_k|f16).*");

  /**
   * The loop over chosen experts brings lanes together that share nothing (gate_f32, route); a
   * round of permute has two barriers, and where ranks are not wanted or the round is the last, one
   * would do; two scans of prefill_rows begin with the barrier for the scan before; the last wait
   * of mla_decode and mla_flash finds only empty groups, as that of attend_*, which is compiled for
   * three kinds of heads, and begins a run with a barrier that the first tile's makes spare; matvec
   * waits for the kernel before it once more than it must, see there; a warp of gemm_*_wgmma meets
   * before it brings weights, so that bytes are announced before they come, which an mbarrier does
   * not ask for, and once a step, of which every other time is enough.
   */
  private static final Map<String, Integer> SPARE =
      Map.ofEntries(
          Map.entry("gate_f32", 1),
          Map.entry("route", 1),
          Map.entry("permute", 2),
          Map.entry("permute_count", 8),
          Map.entry("permute_place", 1),
          Map.entry("prefill_rows", 2),
          Map.entry("mla_decode_f16", 1),
          Map.entry("mla_decode_bf16", 1),
          Map.entry("mla_decode_e4m3", 1),
          Map.entry("attend_decode_f16", 6),
          Map.entry("attend_decode_bf16", 6),
          Map.entry("attend_decode_e4m3", 6),
          Map.entry("attend_prompt_f16", 6),
          Map.entry("attend_prompt_bf16", 6),
          Map.entry("attend_prompt_e4m3", 6),
          Map.entry("mla_flash", 1),
          Map.entry("mla_flash_small", 1),
          Map.entry("mla_flash_large", 1),
          Map.entry("gemm_f16_wgmma", 2),
          Map.entry("gemm_q4_k_wgmma", 3),
          Map.entry("matvec_f16", 1),
          Map.entry("matvec_q4_k", 1));

  private final Kernels kernels = new Kernels();

  @Test
  void whatOrdersIsMissed() {
    Map<String, Integer> spare = new TreeMap<>();
    int all = 0;
    int told = 0;
    for (String kernel : kernels.names()) {
      if (!KERNELS.matcher(kernel).matches()) {
        continue;
      }
      List<KernelCase> cases = Cases.all().stream().filter(c -> c.kernel().equals(kernel)).toList();
      cases.forEach(c -> c.run().accept(Device.of(kernels, CAPABILITY)));
      Program program = kernels.program(kernel, CAPABILITY);
      List<Instruction> orders =
          program.code().instructions().stream()
              .filter(i -> ORDERS.matcher(i.text() + ";").matches())
              .toList();
      for (int n = 0; n < orders.size(); n++) {
        if (program.executed(orders.get(n).index())) {
          all++;
          if (missed(kernel, cases, n)) {
            told++;
          } else {
            spare.merge(kernel, 1, Integer::sum);
          }
        }
      }
    }
    System.out.printf("%d of %d instructions that order are missed%n", told, all);
    assertEquals(new TreeMap<>(SPARE), spare);
  }

  /** Whether any case tells that occurrence {@code index} is gone. */
  private boolean missed(String kernel, List<KernelCase> cases, int index) {
    for (KernelCase c : cases) {
      Device device = Device.edited(kernels, CAPABILITY, kernel, text -> without(text, index));
      try {
        c.run().accept(device);
      } catch (AssertionFailedError | PtxFault _) {
        return true;
      }
      if (!device.hazards().isEmpty()) {
        return true;
      }
    }
    return false;
  }

  private static String without(String text, int index) {
    MatchResult one = ORDERS.matcher(text).results().toList().get(index);
    return text.substring(0, one.start()) + text.substring(one.end());
  }
}
