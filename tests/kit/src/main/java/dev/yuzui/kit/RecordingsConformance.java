package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.DeviceQueue.Recording;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A recording begins, and ends or is abandoned; what it holds runs when it is replayed. */
public abstract class RecordingsConformance extends Conformance {
  private static final int WIDTH = 64;

  // ---- one step in several recordings -----------------------------------------------------------

  /** A step that meets other devices in its middle is several recordings over the same scratch. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 48})
  void severalRecordingsInOneFrameReplayAsOne(int tokens) {
    Values input = Values.normal(tokens, WIDTH, 3);
    try (Bench bench = new Bench(rig.backend())) {
      Tensor x = bench.input("x", input);
      Tensor first = bench.weight(rig.weight(encoding("Q8_0"), 96, WIDTH, 1));
      Tensor second = bench.weight(rig.weight(Encoding.F16, WIDTH, 96, 2));
      Tensor ones = bench.weight(Weights.of(rig.arena(), "ones", Encoding.F32, 1, 96, ones(96)));
      Tensor out = bench.output("out", tokens, WIDTH, Tolerance.exact());
      Ops ops = rig.queue().ops();
      List<Consumer<Part>> parts =
          List.of(
              p -> ops.matmul(x, first, p.wide()),
              p -> {
                try (Scratch.Frame _ = ops.scratch().frame()) {
                  Tensor normed = ops.scratch().f32("normed", tokens, 96);
                  ops.rmsNorm(p.wide(), ones, 1e-6f, normed);
                  ops.matmul(normed, second, p.narrow());
                }
              },
              p -> {
                try (Scratch.Frame _ = ops.scratch().frame()) {
                  Tensor sum = ops.scratch().f32("sum", tokens, WIDTH);
                  ops.add(x, p.narrow(), sum);
                  ops.add(sum, sum, out);
                }
              });
      List<Recording> several = inOneFrame(tokens, parts);
      List<Recording> one = inOneFrame(tokens, List.of(p -> parts.forEach(part -> part.accept(p))));
      for (int variant = 0; variant < Values.VARIANTS; variant++) {
        List<float[]> whole = replayed(bench, one, variant);
        bench.checkSame("recorded in parts", whole, replayed(bench, several, variant));
        bench.checkUntouched(variant);
      }
      several.forEach(Recording::close);
      one.forEach(Recording::close);
    }
  }

  /** What lives from one recording to the next. */
  private record Part(Tensor wide, Tensor narrow) {}

  private List<Recording> inOneFrame(int tokens, List<Consumer<Part>> parts) {
    List<Recording> recordings = new ArrayList<>();
    Scratch scratch = rig.queue().ops().scratch();
    try (Scratch.Frame _ = scratch.frame()) {
      Part part = new Part(scratch.f32("wide", tokens, 96), scratch.f32("narrow", tokens, WIDTH));
      for (Consumer<Part> step : parts) {
        rig.queue().begin();
        step.accept(part);
        recordings.add(rig.queue().end());
      }
    }
    return recordings;
  }

  /** Waits between the parts, as for another device. */
  private List<float[]> replayed(Bench bench, List<Recording> parts, int variant) {
    bench.load(variant);
    for (Recording part : parts) {
      part.replay();
      rig.queue().synchronize();
    }
    return bench.results();
  }

  private static float[] ones(int count) {
    float[] ones = new float[count];
    Arrays.fill(ones, 1);
    return ones;
  }

  @Test
  void partsAreReplayedInAnyOrderAndAgain() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          Ops ops = rig.queue().ops();
          rig.queue().begin();
          ops.add(x, x, x);
          try (Recording twice = rig.queue().end()) {
            rig.queue().begin();
            try (Scratch.Frame _ = ops.scratch().frame()) {
              Tensor silu = ops.scratch().f32("silu", 1, 1);
              ops.siluMul(x, x, silu);
              ops.add(silu, x, x);
            }
            try (Recording curved = rig.queue().end()) {
              curved.replay();
              twice.replay();
              twice.replay();
              curved.replay();
              rig.queue().synchronize();
            }
          }
          assertEquals(curved(4 * curved(1)), one.value(), 1e-4);
        });
  }

  private static double curved(double x) {
    return x + x * x / (1 + Math.exp(-x));
  }

  @Test
  void recordingsAndEagerOpsMayAlternate() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          Ops ops = rig.queue().ops();
          try (Recording twice = rig.queue().record(() -> ops.add(x, x, x));
              Recording fourTimes =
                  rig.queue()
                      .record(
                          () -> {
                            ops.add(x, x, x);
                            ops.add(x, x, x);
                          })) {
            twice.replay();
            ops.add(x, x, x);
            fourTimes.replay();
            twice.replay();
            rig.queue().synchronize();
          }
          assertEquals(32f, one.value());
        });
  }

  @Test
  void hostTasksAreRecordedAndReplayed() {
    List<Integer> order = new ArrayList<>();
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          rig.queue().begin();
          rig.queue().hostTask(() -> order.add(1));
          rig.queue().ops().add(x, x, x);
          rig.queue().hostTask(() -> order.add(2));
          try (Recording recording = rig.queue().end()) {
            rig.queue().synchronize();
            assertEquals(List.of(), List.copyOf(order), "a recorded task has run");
            assertEquals(1f, one.value(), "a recorded op has run");
            recording.replay();
            recording.replay();
            rig.queue().synchronize();
          }
          assertEquals(List.of(1, 2, 1, 2), List.copyOf(order));
          assertEquals(4f, one.value());
        });
  }

  @Test
  void anEmptyRecordingDoesNothing() {
    One.with(
        rig,
        one -> {
          rig.queue().begin();
          try (Recording nothing = rig.queue().end()) {
            nothing.replay();
            rig.queue().synchronize();
          }
          assertEquals(1f, one.value());
        });
  }

  // ---- what is refused --------------------------------------------------------------------------

  @Test
  void aRecordingThatNeverBeganCannotEnd() {
    try (DeviceQueue queue = rig.backend().openQueue()) {
      refused(queue::end);
      refused(queue::abandon);
      queue.begin();
      queue.end().close();
      refused(queue::end);
      queue.begin();
      queue.abandon();
      refused(queue::abandon);
      refused(queue::end);
    }
  }

  @Test
  void recordingsDoNotNestAndTheFirstGoesOn() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          rig.queue().begin();
          rig.queue().ops().add(x, x, x);
          refused(rig.queue()::begin);
          refused(() -> rig.queue().record(() -> {}));
          rig.queue().ops().add(x, x, x);
          try (Recording both = rig.queue().end()) {
            both.replay();
            rig.queue().synchronize();
          }
          assertEquals(4f, one.value());
        });
  }

  @Test
  void anAbandonedRecordingIsForgottenAndTheQueueGoesOn() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          List<String> ran = new ArrayList<>();
          rig.queue().begin();
          rig.queue().ops().add(x, x, x);
          rig.queue().hostTask(() -> ran.add("abandoned"));
          rig.queue().abandon();
          rig.queue().synchronize();
          assertEquals(1f, one.value(), "an abandoned op has run");
          rig.queue().ops().add(x, x, x);
          try (Recording next = rig.queue().record(() -> rig.queue().ops().add(x, x, x))) {
            next.replay();
            rig.queue().synchronize();
          }
          assertEquals(4f, one.value());
          assertEquals(List.of(), ran);
        });
  }

  @Test
  void aStepThatFailsIsAbandoned() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          IllegalStateException e =
              assertThrows(
                  IllegalStateException.class,
                  () ->
                      rig.queue()
                          .record(
                              () -> {
                                rig.queue().ops().add(x, x, x);
                                throw new IllegalStateException("no such expert");
                              }));
          assertEquals("no such expert", e.getMessage());
          refused(rig.queue()::end);
          rig.queue().ops().add(x, x, x);
          rig.queue().synchronize();
          assertEquals(2f, one.value());
        });
  }

  @Test
  void aClosedQueueRecordsNothing() {
    DeviceQueue queue = rig.backend().openQueue();
    queue.close();
    assertThrows(BackendException.class, queue::begin);
  }

  @Test
  void insideARecordingNothingIsReplayedWaitedForOrClosed() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          DeviceQueue queue = rig.queue();
          try (Recording first = queue.record(() -> queue.ops().add(x, x, x))) {
            queue.begin();
            refused(first::replay);
            refused(queue::synchronize);
            refused(queue::close);
            queue.abandon();
            queue.synchronize();
          }
          assertEquals(1f, one.value());
        });
  }

  @Test
  void aClosedRecordingIsNotReplayed() {
    One.with(
        rig,
        one -> {
          Tensor x = one.tensor();
          Recording recording = rig.queue().record(() -> rig.queue().ops().add(x, x, x));
          recording.close();
          recording.close();
          refused(recording::replay);
          rig.queue().synchronize();
          assertEquals(1f, one.value());
        });
  }

  private static void refused(Runnable call) {
    BackendException e = assertThrows(BackendException.class, call::run);
    assertTrue(e.getMessage().contains("recording"), e::getMessage);
  }
}
