package dev.yuzui.bench;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BlockScale;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.ServiceLoader;
import java.util.stream.IntStream;

/** The cpu backend with what a benchmark lays out on it; closes all of it. */
final class Case implements AutoCloseable {
  private static final int PAGE = 64;

  final Backend backend;
  final DeviceQueue queue;
  private final Arena arena = Arena.ofShared();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final Random random = new Random(11);

  /**
   * @param threads 0: one a core
   */
  Case(int threads, boolean repack) {
    this(threads, repack, "cpu:0");
  }

  Case(int threads, boolean repack, String device) {
    backend =
        ServiceLoader.load(BackendProvider.class).stream()
            .map(ServiceLoader.Provider::get)
            .filter(p -> p.name().equals("cpu"))
            .findFirst()
            .orElseThrow()
            .open(new BackendOptions(threads, Optional.of(device), repack, _ -> {}));
    queue = backend.openQueue();
  }

  Tensor empty(Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), "benchmark");
    buffers.add(buffer);
    return new Tensor("benchmark", buffer, 0, encoding, rows, cols);
  }

  Tensor normal(long rows, long cols) {
    Tensor t = empty(Encoding.F32, rows, cols);
    MemorySegment values = arena.allocate(t.byteSize(), 64);
    for (long i = 0; i < rows * cols; i++) {
      values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    backend.write(t, values);
    return t;
  }

  Tensor ints(long rows, int... values) {
    Tensor t = empty(Encoding.I32, rows, values.length / rows);
    backend.write(t, arena.allocateFrom(ValueLayout.JAVA_INT, values));
    return t;
  }

  /** The page table of one sequence. */
  Tensor pages(int context) {
    return ints(1, IntStream.range(0, context / PAGE).toArray());
  }

  /** A cache with an entry for each row of {@code kv}; keys are zero, for so are all angles. */
  KvCache latents(Encoding encoding, Tensor kv, Tensor norm, MlaShape shape, Tensor pages) {
    int context = (int) kv.rows();
    Tensor table = empty(Encoding.F32, context, shape.rope());
    KvCache latents = new KvCache(empty(encoding, context, shape.entry()), PAGE);
    Tensor none = ints(1, new int[context]);
    Tensor positions = ints(1, IntStream.range(0, context).toArray());
    StepBatch fill = new StepBatch(none, positions, none, none, pages, ints(1, 0));
    queue.ops().appendLatent(kv, norm, 1e-6f, table, latents, fill);
    return latents;
  }

  /**
   * Random blocks. Bytes are masked to the low bits that keep every half, float and FP8 code finite
   * and tame, whatever its place in a block.
   */
  HostTensor weight(Encoding encoding, long rows, long cols) {
    MemorySegment data = arena.allocate(encoding.byteSize(rows, cols), 64);
    byte[] noise = new byte[1 << 16];
    random.nextBytes(noise);
    for (int i = 0; i < noise.length; i++) {
      noise[i] &= (byte) 0xb7;
    }
    for (long at = 0; at < data.byteSize(); at += noise.length) {
      long count = Math.min(noise.length, data.byteSize() - at);
      MemorySegment.copy(noise, 0, data, ValueLayout.JAVA_BYTE, at, (int) count);
    }
    if (encoding instanceof Encoding.Block block) {
      tame(block, data);
    }
    Optional<MemorySegment> scales = Optional.empty();
    if (encoding instanceof Encoding.Fp8Tiled tiled) {
      MemorySegment ones = arena.allocate(4 * tiled.scaleCount(rows, cols), 64);
      for (long i = 0; i < ones.byteSize() / 4; i++) {
        ones.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.01f);
      }
      scales = Optional.of(ones);
    }
    return new HostTensor(encoding.label(), encoding, rows, cols, data, scales);
  }

  /** Scales of eight bits span more than F32's exponents do; an F16 is one whatever its bits. */
  private static void tame(Encoding.Block encoding, MemorySegment data) {
    List<BlockScale> wild =
        encoding.scales().stream().filter(s -> s.form() != BlockScale.Form.F16).toList();
    for (long at = 0; !wild.isEmpty() && at < data.byteSize(); at += encoding.blockBytes()) {
      for (BlockScale scale : wild) {
        scale.put(data, at, 0.02f);
      }
    }
  }

  float[] read(Tensor t) {
    MemorySegment out = arena.allocate(t.byteSize(), 64);
    backend.read(t, out);
    return out.toArray(ValueLayout.JAVA_FLOAT);
  }

  /** Refuses to measure a wrong product: some rows against the dequantizer, in double. */
  void checkProduct(Tensor x, HostTensor w, Tensor out) {
    float[] xs = read(x);
    float[] got = read(out);
    int cols = (int) w.cols();
    float[] row = new float[cols];
    for (int r = 0; r < w.rows(); r += (int) Math.max(1, w.rows() / 37)) {
      Dequantizer.row(w, r, row, 0);
      for (int t = 0; t < x.rows(); t += (int) Math.max(1, x.rows() - 1)) {
        double sum = 0;
        double size = 1e-30;
        double squares = 0;
        double most = 0;
        for (int c = 0; c < cols; c++) {
          double v = xs[t * cols + c];
          sum += row[c] * v;
          size += Math.abs(row[c] * v);
          squares += (double) row[c] * row[c];
          most = Math.max(most, Math.abs(v));
        }
        float value = got[(int) (t * w.rows()) + r];
        // blocks may be multiplied by activations of eight bits, other weights by sixteen
        double rounding =
            w.encoding() instanceof Encoding.Block
                ? 6 * most / 127 / Math.sqrt(12) * Math.sqrt(squares)
                : 0;
        if (!(Math.abs(sum - value) <= 2e-5 * size + rounding)) {
          throw new IllegalStateException(
              w + " row " + r + " times vector " + t + " is " + sum + ", not " + value);
        }
      }
    }
  }

  @Override
  public void close() {
    queue.close();
    buffers.forEach(DeviceBuffer::close);
    backend.close();
    arena.close();
  }
}
