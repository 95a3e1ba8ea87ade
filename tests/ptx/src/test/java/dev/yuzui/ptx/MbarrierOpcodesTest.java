package dev.yuzui.ptx;

import static dev.yuzui.ptx.Warpgroup.MADE;
import static dev.yuzui.ptx.Warpgroup.THREADS;
import static dev.yuzui.ptx.Warpgroup.assertHazard;
import static dev.yuzui.ptx.Warpgroup.run;
import static dev.yuzui.ptx.Warpgroup.waitFor;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.ptx.Warpgroup.Left;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.PtxFault;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the PTX ISA says of mbarriers and bulk copies, instruction by instruction. */
class MbarrierOpcodesTest {
  // ---- mbarrier
  // ---------------------------------------------------------------------------------

  /** Each thread writes a word, arrives, and reads that of a thread of another warp. */
  private static final String HAND_OVER =
      MADE.formatted(THREADS)
          + """
          shl.b32 %r5, %r1, 2;
          add.s32 %r5, %r3, %r5;
          xor.b32 %r6, %r5, 256;
          st.shared.u32 [%r5], %r1;
          mbarrier.arrive.shared::cta.b64 _, [%r4];
          """
          + waitFor(0, "A")
          + "ld.shared.u32 %r2, [%r6];";

  @Test
  void anMbarrierOrdersThoseWhoArrivedBeforeThoseWhoWaited() {
    Left left = run(HAND_OVER);
    assertEquals(List.of(), left.hazards());
    for (int i = 0; i < THREADS; i++) {
      assertEquals(i ^ 64, left.word(i));
    }
  }

  @Test
  void nothingIsOrderedWithoutTheWait() {
    assertHazard(Hazard.Kind.RACE_IN_BLOCK, HAND_OVER.replace(waitFor(0, "A"), ""));
  }

  /**
   * Before the first phase ends the one before it counts as ended; then its parity is the next's.
   */
  @Test
  void theOtherParityIsThatOfThePhaseBeforeAndOfTheNext() {
    PtxFault fault =
        assertThrows(
            PtxFault.class, () -> run(HAND_OVER.replace(waitFor(0, "A"), waitFor(1, "A"))));
    assertTrue(fault.getMessage().contains("phase 1, 128 of 128 to arrive"), fault::getMessage);
    assertTrue(fault.getMessage().contains("warp 3"), "the others went on: " + fault.getMessage());
  }

  @Test
  void whatComesAfterTheArrivalIsNotOrdered() {
    String store = "st.shared.u32 [%r5], %r1;\n";
    String late = HAND_OVER.replace(store, "").replace(waitFor(0, "A"), store + waitFor(0, "A"));
    assertHazard(Hazard.Kind.RACE_IN_BLOCK, late);
  }

  @Test
  void anMbarrierThatOthersDoNotKnowOf() {
    assertHazard(Hazard.Kind.RACE_IN_BLOCK, HAND_OVER.replace("bar.sync 0;\n", ""));
  }

  @Test
  void aPhaseThatNobodyEndsIsToldWithWhatIsMissing() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () -> run(MADE.formatted(THREADS) + waitFor(0, "A") + "mov.u32 %r2, 1;"));
    assertTrue(fault.getMessage().contains("128 of 128 to arrive"), fault::getMessage);
  }

  @Test
  void moreArrivalsThanItWasMadeFor() {
    PtxFault fault =
        assertThrows(
            PtxFault.class,
            () ->
                run(
                    MADE.formatted(1)
                        + """
                        @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 16;
                        @%p1 mbarrier.arrive.shared::cta.b64 _, [%r4];
                        """));
    assertTrue(fault.getMessage().contains("more arrive"), fault::getMessage);
  }

  // ---- cp.async.bulk
  // ----------------------------------------------------------------------------

  private static final String COPY =
      MADE.formatted(1)
          + """
          @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 512;
          @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd3], 512, [%r4];
          """
          + waitFor(0, "A")
          + """
          shl.b32 %r5, %r1, 2;
          add.s32 %r5, %r3, %r5;
          ld.shared.u32 %r2, [%r5];
          """;

  @Test
  void aBulkCopyIsThereWhenItsBytesWereCounted() {
    Left left = run(COPY);
    assertEquals(List.of(), left.hazards());
    for (int i = 0; i < THREADS; i++) {
      assertEquals(left.constants()[i], left.word(i));
    }
  }

  @Test
  void aBulkCopyThatNobodyWaitsForIsStillUnderWay() {
    assertHazard(Hazard.Kind.COPY_IN_FLIGHT, COPY.replace(waitFor(0, "A"), ""));
    assertHazard(Hazard.Kind.COPY_IN_FLIGHT, COPY.replace("_, [%r4], 512;", "_, [%r4], 0;"));
  }

  @Test
  void aBulkCopyWantsAnMbarrierThatTheAsyncProxyKnows() {
    assertHazard(
        Hazard.Kind.NOT_SHOWN, COPY.replace("@%p1 fence.mbarrier_init.release.cluster;", ""));
  }

  @Test
  void bytesThatNeverComeAreWaitedForInVain() {
    PtxFault fault =
        assertThrows(PtxFault.class, () -> run(COPY.replace("_, [%r4], 512;", "_, [%r4], 528;")));
    assertTrue(fault.getMessage().contains("16 bytes to come"), fault::getMessage);
  }

  @Test
  void aBulkCopyOfPartsOfSixteenBytes() {
    PtxFault fault =
        assertThrows(PtxFault.class, () -> run(COPY.replace("[%rd3], 512,", "[%rd3], 508,")));
    assertTrue(fault.getMessage().contains("multiples of 16"), fault::getMessage);
  }
}
