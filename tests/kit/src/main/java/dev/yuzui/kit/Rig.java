package dev.yuzui.kit;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Ops;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/** The backend under test beside the reference. */
public final class Rig implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Backend reference = new ReferenceProvider().open(BackendOptions.defaults());
  private final DeviceQueue referenceQueue = reference.openQueue();
  private final Backend backend;
  private final DeviceQueue queue;

  private Rig(Backend backend) {
    this.backend = backend;
    this.queue = backend.openQueue();
  }

  /** Aborts the test when the backend is unusable. */
  public static Rig open(BackendProvider provider) {
    BackendsUnderTest.requireUsable(provider);
    return new Rig(provider.open(BackendsUnderTest.options()));
  }

  public Backend backend() {
    return backend;
  }

  public DeviceQueue queue() {
    return queue;
  }

  /** Memory for weights; outlives the backend. */
  public Arena arena() {
    return arena;
  }

  public HostTensor weight(Encoding encoding, int rows, int cols, long seed) {
    return Weights.random(arena, encoding, rows, cols, seed);
  }

  /**
   * Lays a case out on both backends and checks, with both variants of its contents: the result
   * against the reference within each output's tolerance; that recording runs nothing; that a
   * recording made with the first contents, replayed with either, equals the eager run bit for bit;
   * that no byte outside the tensors changed.
   */
  public void compare(Function<Bench, Consumer<Ops>> layout) {
    List<List<float[]>> want = new ArrayList<>();
    try (Bench bench = new Bench(reference)) {
      Consumer<Ops> step = layout.apply(bench);
      for (int variant = 0; variant < Values.VARIANTS; variant++) {
        want.add(eager(bench, referenceQueue, step, variant));
      }
    }
    try (Bench bench = new Bench(backend)) {
      Consumer<Ops> step = layout.apply(bench);
      List<List<float[]>> got = new ArrayList<>();
      for (int variant = 0; variant < Values.VARIANTS; variant++) {
        got.add(eager(bench, queue, step, variant));
        bench.check(variant, want.get(variant), got.get(variant));
      }
      bench.load(0);
      List<float[]> before = bench.results();
      try (DeviceQueue.Recording recording = queue.record(() -> step.accept(queue.ops()))) {
        queue.synchronize();
        bench.checkSame("an op ran while it was recorded", before, bench.results());
        for (int variant : new int[] {0, 1, 0}) {
          bench.load(variant);
          recording.replay();
          queue.synchronize();
          bench.checkSame(
              "replay with contents " + variant + " is not the eager run",
              got.get(variant),
              bench.results());
          bench.checkUntouched(variant);
        }
      }
    }
  }

  private static List<float[]> eager(
      Bench bench, DeviceQueue queue, Consumer<Ops> step, int variant) {
    bench.load(variant);
    step.accept(queue.ops());
    queue.synchronize();
    bench.checkUntouched(variant);
    return bench.results();
  }

  /** What one eager run of a case on the backend under test gives, first contents. */
  public List<float[]> results(Function<Bench, Consumer<Ops>> layout) {
    try (Bench bench = new Bench(backend)) {
      return eager(bench, queue, layout.apply(bench), 0);
    }
  }

  @Override
  public void close() {
    queue.close();
    backend.close();
    referenceQueue.close();
    reference.close();
    arena.close();
  }
}
