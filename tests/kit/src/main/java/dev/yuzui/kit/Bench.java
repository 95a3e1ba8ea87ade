package dev.yuzui.kit;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assertions;

/** The tensors of one case on one backend, each between guard bytes. */
public final class Bench implements AutoCloseable {
  private static final int GUARD = 256;
  private static final int UNTOUCHED = -777;

  private record Placed(Tensor tensor, List<float[]> contents) {
    float[] of(int variant) {
      return contents.get(variant);
    }
  }

  private record Output(Placed placed, int compared, Tolerance tolerance) {}

  private final Backend backend;
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<Placed> all = new ArrayList<>();
  private final List<Output> outputs = new ArrayList<>();

  Bench(Backend backend) {
    this.backend = backend;
  }

  public Tensor input(String name, Values values) {
    return place(name, Encoding.F32, values).tensor();
  }

  public Tensor integers(String name, Values values) {
    return place(name, Encoding.I32, values).tensor();
  }

  /** F32, NaN before the op. */
  public Tensor output(String name, int rows, int cols, Tolerance tolerance) {
    return output(name, rows, cols, rows, tolerance);
  }

  /** F32, NaN before the op; only the first {@code compared} rows are looked at. */
  public Tensor output(String name, int rows, int cols, int compared, Tolerance tolerance) {
    return output(name, Encoding.F32, Values.fill(rows, cols, Float.NaN), compared, tolerance);
  }

  /** F32 that the op also reads. */
  public Tensor inOut(String name, Values values, Tolerance tolerance) {
    return inOut(name, values, values.rows(), tolerance);
  }

  /** F32 that the op also reads; only the first {@code compared} rows are looked at. */
  public Tensor inOut(String name, Values values, int compared, Tolerance tolerance) {
    return output(name, Encoding.F32, values, compared, tolerance);
  }

  public Tensor integerOutput(String name, int rows, int cols) {
    Values untouched = Values.fill(rows, cols, UNTOUCHED);
    return output(name, Encoding.I32, untouched, rows, Tolerance.exact());
  }

  /** Must become {@code wanted}. */
  public Tensor integerOutput(String name, int rows, int cols, Values wanted) {
    Values untouched = Values.fill(rows, cols, UNTOUCHED);
    Tolerance tolerance = Tolerance.near(wanted, Tolerance.exact());
    return output(name, Encoding.I32, untouched, rows, tolerance);
  }

  /** A row whose first elements must become {@code wanted}; the rest may be anything. */
  public Tensor integerRow(String name, int cols, Values wanted) {
    Tolerance firsts =
        Tolerance.bounded((_, _, col, _) -> col < wanted.cols() ? 0 : Double.POSITIVE_INFINITY);
    Values untouched = Values.fill(1, cols, UNTOUCHED);
    return output(name, Encoding.I32, untouched, 1, Tolerance.near(wanted, firsts));
  }

  private Tensor output(
      String name, Encoding encoding, Values values, int compared, Tolerance tolerance) {
    Placed placed = place(name, encoding, values);
    outputs.add(new Output(placed, compared, tolerance));
    return placed.tensor();
  }

  public Tensor weight(HostTensor weight) {
    return backend.upload(weight);
  }

  public ExpertWeights experts(List<HostTensor> experts) {
    return backend.uploadExperts(experts.getFirst().name(), experts);
  }

  /** An uploaded F32 vector. */
  public Tensor vector(Arena arena, String name, float... values) {
    return weight(Weights.of(arena, name, Encoding.F32, 1, values.length, values));
  }

  /** A cache whose contents the case reads or writes; compared where {@code tolerance} says. */
  public KvCache cache(Encoding encoding, Values entries, int pageTokens, Tolerance tolerance) {
    return new KvCache(output("cache", encoding, entries, entries.rows(), tolerance), pageTokens);
  }

  public StepBatch step(Steps steps) {
    return new StepBatch(
        integers("token", steps.token()),
        integers("position", steps.position()),
        integers("sequence", steps.sequence()),
        integers("kvLength", steps.kvLength()),
        integers("pages", steps.pages()),
        integers("outputRow", Values.literal(1, 1, 0)));
  }

  /** An unwritten dispatch; its slots are looked at as far as they are in use. */
  public Dispatch dispatch(int experts, int tokens, int used) {
    Values untouched = Values.fill(1, tokens * used, UNTOUCHED);
    Tolerance inUse =
        Tolerance.bounded(
            (_, _, col, want) -> want[col] == UNTOUCHED ? Double.POSITIVE_INFINITY : 0);
    return new Dispatch(
        integerOutput("offset", 1, experts + 1),
        output("slot", Encoding.I32, untouched, 1, inUse),
        integerOutput("place", 1, tokens * used),
        used);
  }

  private Placed place(String name, Encoding encoding, Values values) {
    long bytes = encoding.byteSize(values.rows(), values.cols());
    DeviceBuffer buffer = backend.allocate(GUARD + bytes + GUARD, name);
    buffers.add(buffer);
    Placed placed =
        new Placed(
            new Tensor(name, buffer, GUARD, encoding, values.rows(), values.cols()),
            IntStream.range(0, Values.VARIANTS).mapToObj(values::of).toList());
    all.add(placed);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment guard = arena.allocate(GUARD);
      guard.fill((byte) 0xa5);
      backend.write(before(placed.tensor()), guard);
      backend.write(after(placed.tensor()), guard);
    }
    return placed;
  }

  private static Tensor before(Tensor t) {
    return new Tensor(t.name() + "_before", t.buffer(), 0, Encoding.BF16, 1, GUARD / 2);
  }

  private static Tensor after(Tensor t) {
    long at = GUARD + t.byteSize();
    return new Tensor(t.name() + "_after", t.buffer(), at, Encoding.BF16, 1, GUARD / 2);
  }

  /** Writes the contents of {@code variant} everywhere, outputs included. */
  void load(int variant) {
    for (Placed placed : all) {
      Tensor t = placed.tensor();
      float[] values = placed.of(variant);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment data = arena.allocate(t.byteSize(), 8);
        if (t.encoding().equals(Encoding.I32)) {
          for (int i = 0; i < values.length; i++) {
            data.setAtIndex(ValueLayout.JAVA_INT, i, (int) values[i]);
          }
        } else {
          Quantizer.encode(t.encoding(), values, 0, values.length, data, 0);
        }
        backend.write(t, data);
      }
    }
  }

  /** The compared rows of each output, decoded. */
  List<float[]> results() {
    return outputs.stream()
        .map(o -> Arrays.copyOf(read(o.placed().tensor()), o.compared() * cols(o)))
        .toList();
  }

  private static int cols(Output o) {
    return (int) o.placed().tensor().cols();
  }

  private float[] read(Tensor t) {
    float[] values = new float[(int) (t.rows() * t.cols())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(t.byteSize(), 8);
      backend.read(t, data);
      Dequantizer.decode(t.encoding(), data, 0, values.length, values, 0);
    }
    return values;
  }

  void check(int variant, List<float[]> want, List<float[]> got) {
    for (int i = 0; i < outputs.size(); i++) {
      Output o = outputs.get(i);
      o.tolerance().check(o.placed().tensor().name(), variant, cols(o), want.get(i), got.get(i));
    }
  }

  /** Bit for bit. */
  void checkSame(String what, List<float[]> want, List<float[]> got) {
    for (int i = 0; i < outputs.size(); i++) {
      String name = outputs.get(i).placed().tensor().name();
      Assertions.assertArrayEquals(want.get(i), got.get(i), () -> name + ": " + what);
    }
  }

  /** Nothing was written outside a tensor, nor into an input. */
  void checkUntouched(int variant) {
    for (Placed placed : all) {
      if (outputs.stream().noneMatch(o -> o.placed().equals(placed))) {
        Assertions.assertArrayEquals(
            placed.of(variant),
            read(placed.tensor()),
            () -> "an op wrote into its input " + placed.tensor());
      }
      for (Tensor guard : List.of(before(placed.tensor()), after(placed.tensor()))) {
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment bytes = arena.allocate(GUARD);
          backend.read(guard, bytes);
          long at = bytes.mismatch(arena.allocate(GUARD).fill((byte) 0xa5));
          Assertions.assertEquals(
              -1, at, () -> "an op wrote outside its tensor: byte " + at + " of " + guard.name());
        }
      }
    }
  }

  @Override
  public void close() {
    buffers.forEach(DeviceBuffer::close);
  }
}
