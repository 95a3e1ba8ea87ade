package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.code.MachineCode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * The machine code for sm_90, which is what runs there, moves nothing over the wait for the kernel
 * before. The interpreter runs the PTX that it was made of; between the two is ptxas.
 */
class MachineCodeTest {
  private static final int CAPABILITY = 90;

  /** Opcodes of the machine code: griddepcontrol.wait, and an instruction that does nothing. */
  private static final int WAIT = 0x82e;

  private static final int NOTHING = 0x918;

  private static final Predicate<String> GRIDS =
      Pattern.compile("(?!repack_).*_iq[123]_.*").asMatchPredicate();

  private final Kernels kernels = new Kernels();

  private Map<String, MachineCode> all() {
    Map<String, MachineCode> all = new TreeMap<>();
    kernels.stems().forEach(s -> all.putAll(MachineCode.of(kernels.fatbin(s).cubin(CAPABILITY))));
    return all;
  }

  @Test
  void everyKernelWaits() {
    assertEquals(kernels.names(), all().keySet());
    all().forEach((name, code) -> assertTrue(code.waits() > 0, name));
  }

  @Test
  void nothingIsWrittenAndNoThreadEndsBeforeTheWait() {
    all().forEach((name, code) -> assertEquals(List.of(), code.writesBeforeWait(), name));
  }

  /**
   * Only matvec reads before, its weights: codes as what is read once, scales by generic addresses.
   * x, which the kernel before writes, is what it reads 16 bytes at a time in neither of these
   * ways.
   */
  @Test
  void whatTheKernelBeforeWritesIsNotReadBeforeTheWait() {
    all()
        .forEach(
            (name, code) -> {
              List<MachineCode.Load> loads = code.loadsBeforeWait();
              if (!name.startsWith("matvec_")) {
                assertEquals(List.of(), loads, name);
                return;
              }
              assertFalse(loads.isEmpty(), name);
              for (MachineCode.Load load : loads) {
                assertTrue(
                    load.bytes() < 16 || load.generic() || load.evictFirst(),
                    () -> name + ": " + load);
              }
            });
  }

  /** The control: where a kernel's waits are nothing, writes and ends come before any. */
  @Test
  void codeWithoutItsWaitsIsTold() {
    ByteBuffer cubin =
        ByteBuffer.wrap(kernels.fatbin("rows").cubin(CAPABILITY).clone())
            .order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at + 16 <= cubin.capacity(); at += 16) {
      if ((cubin.getShort(at) & 0xfff) == WAIT) {
        cubin.putShort(at, (short) (cubin.getShort(at) & ~0xfff | NOTHING));
      }
    }
    MachineCode code = MachineCode.of(cubin.array()).get("rms_norm");
    assertEquals(0, code.waits());
    assertFalse(code.writesBeforeWait().isEmpty());
    assertFalse(code.loadsBeforeWait().isEmpty());
  }

  /** But for the grids, which come with the kernels; of these loads the interpreter sees each. */
  @Test
  void nothingIsReadAsConstant() {
    all()
        .forEach(
            (name, code) ->
                assertEquals(GRIDS.test(name), code.constantLoads() > 0, "constants in " + name));
  }
}
