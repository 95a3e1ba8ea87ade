package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.code.PtxModule;
import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.Launch;
import dev.yuzui.ptx.machine.Program;
import java.util.List;
import java.util.Random;

/** Runs a few instructions of sm_90a on a warpgroup of 128 threads, each of which leaves a word. */
final class Warpgroup {
  static final int THREADS = 128;

  /** k's parameters: what is left, 4 KB of constant words. */
  static final String HEAD =
      """
      .version 8.0
      .target sm_90a
      .address_size 64
      .visible .entry k(.param .u64 k_0, .param .u64 k_1)
      {
      .reg .pred %p<9>;
      .reg .f32 %f<9>;
      .reg .b32 %r<29>;
      .reg .b64 %rd<9>;
      .shared .align 1024 .b8 s[4096];
      .shared .align 8 .b8 bar[16];
      griddepcontrol.wait;
      ld.param.u64 %rd1, [k_0];
      ld.param.u64 %rd3, [k_1];
      mov.u32 %r1, %tid.x;
      mul.wide.u32 %rd2, %r1, 4;
      add.s64 %rd4, %rd3, %rd2;
      add.s64 %rd2, %rd1, %rd2;
      mov.u32 %r2, 0;
      mov.u32 %r3, s;
      mov.u32 %r4, bar;
      setp.eq.s32 %p1, %r1, 0;
      """;

  static final String MADE =
      """
      @%%p1 mbarrier.init.shared::cta.b64 [%%r4], %d;
      @%%p1 fence.mbarrier_init.release.cluster;
      bar.sync 0;
      """;

  record Left(Launch launch, GlobalBuffer words, int[] constants) {
    int word(int thread) {
      return words.i32(thread);
    }

    List<Hazard.Kind> hazards() {
      return launch.found().stream().map(Hazard::kind).distinct().toList();
    }
  }

  static Left run(String body) {
    Random random = new Random(3);
    // small halves, two in a word
    int[] constants =
        random
            .ints(1024)
            .map(r -> half(r % 9 / 4f) & 0xffff | half((r >> 8) % 9 / 4f) << 16)
            .toArray();
    GlobalMemory memory = new GlobalMemory();
    GlobalBuffer out = memory.output("out", 4 * THREADS);
    GlobalBuffer in = memory.ints("constants", GlobalBuffer.Role.CONSTANT, constants);
    String text = HEAD + body + "\nst.global.u32 [%rd2], %r2;\nret;\n}\n";
    Launch launch =
        Launch.of(Program.of(PtxModule.of(text).kernel("k")), memory, 1, 1, 1, THREADS, 0)
            .p(out)
            .p(in);
    launch.run(true);
    return new Left(launch, out, constants);
  }

  static int half(float f) {
    return Float.floatToFloat16(f);
  }

  static void assertHazard(Hazard.Kind kind, String body) {
    assertEquals(List.of(kind), run(body).hazards());
  }

  static String waitFor(int parity, String name) {
    return """
        $%s:
        mbarrier.try_wait.parity.shared::cta.b64 %%p2, [%%r4], %d;
        @!%%p2 bra $%s;
        """
        .formatted(name, parity, name);
  }

  private Warpgroup() {}
}
