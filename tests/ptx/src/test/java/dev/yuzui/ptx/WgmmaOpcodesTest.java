package dev.yuzui.ptx;

import static dev.yuzui.ptx.Warpgroup.HEAD;
import static dev.yuzui.ptx.Warpgroup.MADE;
import static dev.yuzui.ptx.Warpgroup.THREADS;
import static dev.yuzui.ptx.Warpgroup.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.Warpgroup.Left;
import dev.yuzui.ptx.code.PtxModule;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.Launch;
import dev.yuzui.ptx.machine.Program;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the PTX ISA says of wgmma, instruction by instruction. */
class WgmmaOpcodesTest {
  // ---- wgmma
  // ------------------------------------------------------------------------------------

  /**
   * D of 64 × 16 from A of the constants and B of 16 rows of 16 numbers in shared memory, which
   * each thread writes a word or two of, where {@code place} says: in bytes, of row n and piece p.
   */
  private static String product(String type, String descriptor, String place) {
    return """
        // thread t has row t / 8 of B, words t mod 8
        shr.u32 %%r5, %%r1, 3;
        and.b32 %%r6, %%r1, 7;
        shr.u32 %%r7, %%r6, 2;
        and.b32 %%r8, %%r6, 3;
        %s
        shl.b32 %%r8, %%r8, 2;
        add.s32 %%r9, %%r9, %%r8;
        add.s32 %%r9, %%r3, %%r9;
        ld.global.u32 %%r10, [%%rd4];
        st.shared.u32 [%%r9], %%r10;
        fence.proxy.async.shared::cta;
        bar.sync 0;
        ld.global.u32 %%r11, [%%rd4 + 512];
        ld.global.u32 %%r12, [%%rd4 + 1024];
        ld.global.u32 %%r13, [%%rd4 + 1536];
        ld.global.u32 %%r14, [%%rd4 + 2048];
        mov.f32 %%f1, 0f3F800000;
        mov.f32 %%f2, %%f1;
        mov.f32 %%f3, %%f1;
        mov.f32 %%f4, %%f1;
        mov.f32 %%f5, %%f1;
        mov.f32 %%f6, %%f1;
        mov.f32 %%f7, %%f1;
        mov.f32 %%f8, %%f1;
        shr.u32 %%r15, %%r3, 4;
        cvt.u64.u32 %%rd5, %%r15;
        or.b64 %%rd5, %%rd5, %s;
        wgmma.fence.sync.aligned;
        wgmma.mma_async.sync.aligned.m64n16k16.f32.%s.%s {%%f1, %%f2, %%f3, %%f4, %%f5, %%f6, %%f7, %%f8}, {%%r11, %%r12, %%r13, %%r14}, %%rd5, 1, 1, 1, 0;
        wgmma.commit_group.sync.aligned;
        wgmma.wait_group.sync.aligned 0;
        mov.b32 %%r2, %%f7;
        """
        .formatted(place, descriptor, type, type);
  }

  /** No swizzle: eight rows of 16 bytes together, pieces at 512, the next rows at 256. */
  private static final String PLAIN =
      """
      shl.b32 %r9, %r7, 9;
      and.b32 %r16, %r5, 7;
      shl.b32 %r16, %r16, 4;
      add.s32 %r9, %r9, %r16;
      shr.u32 %r16, %r5, 3;
      shl.b32 %r16, %r16, 8;
      add.s32 %r9, %r9, %r16;
      """;

  private static String swizzled(int bits) {
    return """
        shl.b32 %%r9, %%r5, %d;
        shl.b32 %%r16, %%r7, 4;
        add.s32 %%r9, %%r9, %%r16;
        shr.u32 %%r16, %%r9, 7;
        and.b32 %%r16, %%r16, %d;
        shl.b32 %%r16, %%r16, 4;
        xor.b32 %%r9, %%r9, %%r16;
        """
        .formatted(4 + bits, (1 << bits) - 1);
  }

  private static String descriptor(int mode, int leading, int stride) {
    return String.valueOf(
        (long) mode << 62 | (long) (stride / 16) << 32 | (long) (leading / 16) << 16);
  }

  private static double number(int[] constants, int word, int e, boolean bf16) {
    int bits = constants[word] >>> 16 * e & 0xffff;
    return bf16 ? Float.intBitsToFloat(bits << 16) : Float.float16ToFloat((short) bits);
  }

  /** D's number 6 of a thread: row g + 8, column 8 + 2c. */
  private static void assertProduct(Left left, boolean bf16) {
    int[] w = left.constants();
    for (int t = 0; t < THREADS; t++) {
      int lane = t % 32;
      int column = 8 + lane % 4 * 2;
      double sum = 1;
      for (int k = 0; k < 16; k++) {
        // A's row g + 8 lies in registers 1 and 3 of the lanes of its group
        int owner = t / 32 * 32 + lane / 4 * 4 + k % 8 / 2;
        double a = number(w, 128 * (k < 8 ? 2 : 4) + owner, k % 2, bf16);
        sum += a * number(w, 8 * column + k / 2, k % 2, bf16);
      }
      assertEquals((float) sum, Float.intBitsToFloat(left.word(t)), Math.abs((float) sum) * 1e-6f);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 512, 256", "1, 16, 1024", "2, 16, 512", "3, 16, 256"})
  void aProductOfAFragmentWithEachSwizzle(int mode, int leading, int stride) {
    String place = mode == 0 ? PLAIN : swizzled(4 - mode);
    for (String type : List.of("f16", "bf16")) {
      Left left = run(product(type, descriptor(mode, leading, stride), place));
      assertEquals(List.of(), left.hazards());
      assertProduct(left, type.equals("bf16"));
    }
  }

  private static final String GOOD = product("f16", descriptor(1, 16, 1024), swizzled(3));

  @ParameterizedTest
  @CsvSource({
    "'fence.proxy.async.shared::cta;', NOT_SHOWN",
    "'bar.sync 0;', RACE_IN_BLOCK",
    "'wgmma.fence.sync.aligned;', REGISTER_OF_PRODUCT",
  })
  void whatAProductWantsBefore(String instruction, Hazard.Kind kind) {
    assertTrue(run(GOOD.replace(instruction, "")).hazards().contains(kind));
  }

  @Test
  void aProductThatNobodyWaitsFor() {
    List<Hazard.Kind> kinds = run(GOOD.replace("wgmma.wait_group.sync.aligned 0;", "")).hazards();
    assertEquals(List.of(Hazard.Kind.REGISTER_OF_PRODUCT, Hazard.Kind.PRODUCT_IN_FLIGHT), kinds);
    kinds = run(GOOD.replace("wgmma.commit_group.sync.aligned;", "")).hazards();
    assertEquals(List.of(Hazard.Kind.REGISTER_OF_PRODUCT, Hazard.Kind.PRODUCT_IN_FLIGHT), kinds);
  }

  @Test
  void aStoreToWhatAProductReads() {
    String wait = "wgmma.wait_group.sync.aligned 0;";
    String store = "st.shared.u32 [%r9], %r1;\n";
    assertTrue(
        run(GOOD.replace(wait, store + wait)).hazards().contains(Hazard.Kind.PRODUCT_IN_FLIGHT));
    // its own wait says nothing of the other warps' products
    assertTrue(
        run(GOOD.replace(wait, wait + store)).hazards().contains(Hazard.Kind.PRODUCT_IN_FLIGHT));
    assertEquals(List.of(), run(GOOD.replace(wait, wait + "bar.sync 0;" + store)).hazards());
  }

  @Test
  void aWarpgroupWhoseWarpsDoNotDoTheSame() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                run(
                    """
                    setp.lt.s32 %p3, %r1, 32;
                    @%p3 bra $END;
                    """
                        + GOOD.replace("bar.sync 0;", "")
                        + "$END:\nbar.sync 0;"));
    assertTrue(fault.getMessage().contains("not done the same"), fault::getMessage);
  }

  @Test
  void registersThatTheSmDoesNotHave() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () -> {
              String more = "setmaxnreg.inc.sync.aligned.u32 256;\n";
              run(MADE.formatted(1) + more);
              Launch.of(
                      Program.of(
                          PtxModule.of(HEAD + MADE.formatted(1) + more + "ret;\n}\n").kernel("k")),
                      new GlobalMemory(),
                      1,
                      1,
                      1,
                      384,
                      0)
                  .none()
                  .none()
                  .run(true);
            });
    assertTrue(fault.getMessage().contains("registers together"), fault::getMessage);
  }

  @ParameterizedTest
  @CsvSource({
    "'wgmma.mma_async.sync.aligned.m64n16k32.f32.e4m3.e4m3 {%f1}, {%r1}, %rd1, 1, 1, 1;'",
    "'setmaxnreg.inc.sync.aligned.u32 100;'",
    "'mbarrier.inval.shared::cta.b64 [%r4];'",
    "'fence.proxy.async;'",
  })
  void otherFormsAreRefused(String instruction) {
    assertThrows(IllegalArgumentException.class, () -> run(instruction));
  }
}
