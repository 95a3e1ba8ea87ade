package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.code.PtxModule;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.Launch;
import dev.yuzui.ptx.machine.Program;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the PTX ISA says of single instructions where it is easily got wrong: amounts beyond the
 * width, NaN, signs, ties; and lanes that part and meet.
 */
class OpcodesTest {
  private static final String HEAD =
      """
      .version 8.0
      .target sm_80
      .address_size 64
      .visible .entry k(.param .u64 k_0)
      {
      .reg .pred %p<9>;
      .reg .b16 %rs<9>;
      .reg .f32 %f<9>;
      .reg .b32 %r<19>;
      .reg .b64 %rd<9>;
      .shared .align 4 .b8 s[256];
      ld.param.u64 %rd1, [k_0];
      mov.u32 %r1, %tid.x;
      mul.wide.u32 %rd2, %r1, 4;
      add.s64 %rd2, %rd1, %rd2;
      """;

  private static Launch launch(String body, GlobalMemory memory, GlobalBuffer out) {
    String text = HEAD + body + "\nst.global.u32 [%rd2], %r2;\nret;\n}\n";
    Program program = Program.of(PtxModule.of(text).kernel("k"));
    return Launch.of(program, memory, 1, 1, 1, 64, 0).p(out);
  }

  /** What 64 threads leave in %r2. */
  private static int[] run(String body) {
    GlobalMemory memory = new GlobalMemory();
    GlobalBuffer out = memory.output("out", 256);
    launch(body, memory, out).run(true);
    int[] results = new int[64];
    for (int i = 0; i < 64; i++) {
      results[i] = out.i32(i);
    }
    return results;
  }

  private static List<Hazard> hazards(String body) {
    GlobalMemory memory = new GlobalMemory();
    Launch launch = launch(body, memory, memory.output("out", 256));
    launch.run(true);
    return launch.found();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // amounts
        "shl.b32 %r2, 1, 32;                        | 0",
        "shr.u32 %r2, -1, 40;                       | 0",
        "shr.s32 %r2, -8, 32;                       | -1",
        "mov.u16 %rs1, -8; shr.s16 %rs2, %rs1, 1; cvt.u32.u16 %r2, %rs2; | 65532",
        "mov.u16 %rs1, 40000; add.s16 %rs2, %rs1, %rs1; cvt.u32.u16 %r2, %rs2; | 14464",
        "mov.u64 %rd3, 1; shl.b64 %rd4, %rd3, 64; cvt.u32.u64 %r2, %rd4; | 0",
        // products and quotients
        "mul.hi.s32 %r2, -3, 1431655766;            | -2",
        "mov.u32 %r3, -1; mul.wide.u32 %rd3, %r3, 2; shr.u64 %rd3, %rd3, 32; cvt.u32.u64 %r2, %rd3; | 1",
        "mov.u32 %r3, -1; mul.wide.s32 %rd3, %r3, 2; shr.u64 %rd3, %rd3, 32; cvt.u32.u64 %r2, %rd3; | -1",
        "div.s32 %r2, -7, 2;                        | -3",
        "rem.s32 %r2, -7, 2;                        | -1",
        "div.u32 %r2, -1, 2;                        | 2147483647",
        "mov.u64 %rd3, -1; mov.u64 %rd4, 4294967297; div.u64 %rd5, %rd3, %rd4; cvt.u32.u64 %r2, %rd5; | -1",
        // bytes and bits
        "mov.u32 %r3, 0x80112233; popc.b32 %r2, %r3; | 9",
        "mov.u32 %r3, 0x80112233; prmt.b32 %r2, %r3, %r3, 0x00BF; | 0x3333FFFF",
        "mov.u32 %r3, 0x44332211; mov.u32 %r4, 0x88776655; prmt.b32 %r2, %r3, %r4, 0x7410; | 0x88552211",
        "bfi.b32 %r2, -1, 0, 4, 8;                  | 4080",
        "cvt.u16.u32 %rs1, -1; cvt.u32.u16 %r2, %rs1; | 65535",
        "mov.u16 %rs1, 0x80; cvt.s16.s8 %rs2, %rs1; cvt.u32.u16 %r2, %rs2; | 0xFF80",
        // floats
        "mov.f32 %f1, 0f7FC00000; max.f32 %f2, %f1, 0f3F800000; mov.b32 %r2, %f2; | 0x3F800000",
        "mov.f32 %f1, 0f7FC00000; min.f32 %f2, 0f40000000, %f1; mov.b32 %r2, %f2; | 0x40000000",
        "mov.f32 %f1, 0f80000000; max.f32 %f2, %f1, 0f00000000; mov.b32 %r2, %f2; | 0",
        "mov.f32 %f1, 0f7FC00000; cvt.sat.f32.f32 %f2, %f1; mov.b32 %r2, %f2; | 0",
        "mov.f32 %f1, 0f3F800001; fma.rm.f32 %f2, %f1, %f1, 0f00000000; mov.b32 %r2, %f2; | 0x3F800002",
        "mov.f32 %f1, 0fBF800001; fma.rm.f32 %f2, %f1, 0f3F800001, 0f00000000; mov.b32 %r2, %f2; | 0xBF800003",
        "mov.f32 %f1, 0f33C00000; add.rz.f32 %f2, %f1, 0f3F800000; mov.b32 %r2, %f2; | 0x3F800000",
        "mov.f32 %f1, 0fB3C00000; add.rz.f32 %f2, %f1, 0fBF800000; mov.b32 %r2, %f2; | 0xBF800000",
        "mov.f32 %f1, 0f80000001; add.rz.f32 %f2, %f1, 0f3F800000; mov.b32 %r2, %f2; | 0x3F7FFFFF",
        "mov.f32 %f1, 0f7F7FFFFF; add.rz.f32 %f2, %f1, %f1; mov.b32 %r2, %f2; | 0x7F7FFFFF",
        "mov.f32 %f1, 0fC3000000; ex2.approx.ftz.f32 %f2, %f1; mov.b32 %r2, %f2; | 0",
        "mov.f32 %f1, 0f3F801000; mov.f32 %f2, 0f3F803000; cvt.rn.f16x2.f32 %r2, %f1, %f2; | 0x3C003C02",
        "mov.f32 %f1, 0f3F808000; mov.f32 %f2, 0f3F818000; cvt.rn.bf16x2.f32 %r2, %f1, %f2; | 0x3F803F82",
        "mov.f32 %f1, 0f33800000; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r2, %rs1; | 1",
        "mov.u32 %r3, 0x00013C01; mov.u32 %r4, 0x38003800; mul.f16x2 %r2, %r3, %r4; | 0x3801",
        // comparisons with NaN
        "mov.f32 %f1, 0f7FC00000; setp.neu.f32 %p1, %f1, %f1; selp.u32 %r2, 1, 0, %p1; | 1",
        "mov.f32 %f1, 0f7FC00000; setp.leu.f32 %p1, %f1, 0f00000000; selp.u32 %r2, 1, 0, %p1; | 1",
        "mov.f32 %f1, 0f7FC00000; setp.eq.f32 %p1, %f1, %f1; selp.u32 %r2, 1, 0, %p1; | 0",
        "mov.u32 %r3, -1; setp.lt.u32 %p1, %r3, 1; selp.u32 %r2, 1, 0, %p1; | 0",
        "mov.u16 %rs1, -1; setp.ne.s16 %p1, %rs1, -1; selp.u32 %r2, 1, 0, %p1; | 0",
      })
  void givesWhatTheIsaSays(String body, String result) {
    int want =
        result.startsWith("0x")
            ? Integer.parseUnsignedInt(result.substring(2), 16)
            : Integer.parseInt(result);
    int[] all = new int[64];
    Arrays.fill(all, want);
    assertEquals(Arrays.toString(all), Arrays.toString(run(body)));
  }

  @Test
  void lanesThatPartMeetAgain() {
    int[] results =
        run(
            """
            mov.u32 %r2, 0;
            mov.u32 %r3, %r1;
            $LOOP:
            setp.eq.s32 %p1, %r3, 0;
            @%p1 bra $DONE;
            add.s32 %r2, %r2, %r3;
            add.s32 %r3, %r3, -1;
            bra.uni $LOOP;
            $DONE:
            shfl.sync.bfly.b32 %r4|%p2, %r2, 1, 31, -1;
            add.s32 %r2, %r2, %r4;
            """);
    for (int i = 0; i < 64; i++) {
      int other = i ^ 1;
      assertEquals(i * (i + 1) / 2 + other * (other + 1) / 2, results[i]);
    }
  }

  @Test
  void lanesThatHaveEndedAreNotWaitedFor() {
    int[] results =
        run(
            """
            and.b32 %r5, %r1, 31;
            setp.lt.s32 %p1, %r5, 16;
            @!%p1 bra $AWAY;
            shfl.sync.idx.b32 %r2|%p2, %r5, 3, 31, -1;
            bra.uni $END;
            $AWAY:
            st.global.u32 [%rd2], 7;
            ret;
            $END:
            """);
    for (int i = 0; i < 64; i++) {
      assertEquals(i % 32 < 16 ? 3 : 7, results[i]);
    }
  }

  @Test
  void shufflesEndAtTheirSegments() {
    int[] up = run("shfl.sync.up.b32 %r3|%p1, %r1, 3, 0, -1; selp.b32 %r2, %r3, -1, %p1;");
    int[] index = run("shfl.sync.idx.b32 %r2|%p1, %r1, 5, 0x181F, -1;");
    for (int i = 0; i < 64; i++) {
      assertEquals(i % 32 < 3 ? -1 : i - 3, up[i]);
      assertEquals(i / 8 * 8 + 5, index[i]);
    }
  }

  /**
   * Each thread writes a word and reads that of another.
   *
   * @param across how far, in bits of the thread's number
   */
  private static String handOver(String between, int across) {
    return """
        mov.u32 %%r3, s;
        shl.b32 %%r4, %%r1, 2;
        xor.b32 %%r5, %%r4, %d;
        add.s32 %%r4, %%r3, %%r4;
        add.s32 %%r5, %%r3, %%r5;
        st.shared.u32 [%%r4], %%r1;
        %s
        ld.shared.u32 %%r2, [%%r5];
        """
        .formatted(4 * across, between);
  }

  private static void assertHazard(Hazard.Kind kind, String body) {
    assertEquals(List.of(kind), hazards(body).stream().map(Hazard::kind).distinct().toList());
  }

  @Test
  void barriersOrderThoseWhoMeetThere() {
    assertHazard(Hazard.Kind.RACE_IN_WARP, handOver("", 1));
    assertHazard(Hazard.Kind.RACE_IN_BLOCK, handOver("", 32));
    assertEquals(List.of(), hazards(handOver("bar.warp.sync -1;", 1)));
    assertHazard(Hazard.Kind.RACE_IN_BLOCK, handOver("bar.warp.sync -1;", 32));
    assertEquals(List.of(), hazards(handOver("bar.sync 0;", 32)));
  }

  /** A shuffle brings lanes together and orders no memory. */
  @Test
  void aShuffleIsNoBarrier() {
    assertHazard(
        Hazard.Kind.RACE_IN_WARP, handOver("shfl.sync.bfly.b32 %r6|%p1, %r1, 1, 31, -1;", 1));
  }

  @Test
  void aBarrierThatAPartOfAWarpComesTo() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                run(
                    """
                    setp.lt.s32 %p1, %r1, 8;
                    @%p1 bra $HERE;
                    bar.sync 0;
                    $HERE:
                    bar.sync 0;
                    mov.u32 %r2, 0;
                    """));
    assertTrue(fault.getMessage().contains("only a part of the warp"), fault::getMessage);
  }

  @Test
  void aLoopThatDoesNotEnd() {
    PtxFault fault = assertThrows(PtxFault.class, () -> run("$ON: bra.uni $ON;"));
    assertTrue(fault.getMessage().contains("on and on"), fault::getMessage);
  }

  @Test
  void opcodesThatItDoesNotKnowAreRefused() {
    for (String body :
        List.of("sin.approx.f32 %f1, %f2;", "ld.volatile.global.u32 %r2, [%rd2];", "bar.sync 1;")) {
      assertThrows(IllegalArgumentException.class, () -> run(body));
    }
  }
}
