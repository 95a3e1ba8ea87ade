package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.TinyModel.Layout;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.lifecycle.AfterProperty;
import net.jqwik.api.lifecycle.BeforeProperty;

/**
 * Damaged files, thousands of them: opening refuses with a {@link WeightException}, or gives a
 * checkpoint whose every part has the shape its configuration implies and lies within the file.
 */
class MutationTest {
  private static final byte[] GGUF = TinyModel.V3.gguf(Layout.NEW, Encoding.F16).bytes();
  private static final int GGUF_HEADER = TinyModel.V3.gguf(Layout.NEW, Encoding.F16).headerLength();
  private static final byte[] OLD_GGUF =
      new TinyModel(0, 0).gguf(Layout.OLD, new Encoding.Q8_0()).bytes();
  private static final int OLD_HEADER =
      new TinyModel(0, 0).gguf(Layout.OLD, new Encoding.Q8_0()).headerLength();
  private static final byte[] SAFETENSORS = TinyModel.V3.safetensors("F8_E4M3").bytes();
  private static final int SAFETENSORS_HEADER =
      TinyModel.V3.safetensors("F8_E4M3").header().length() + 8;

  private static final byte[] CONFIG =
      SafetensorsWriter.json(TinyModel.V3.config()).getBytes(StandardCharsets.UTF_8);

  /** Of a splice or shift. */
  private static final int LONGEST = 64;

  private Path folder;
  private byte[] intactIndex = new byte[0];

  @BeforeProperty
  void makeFolder() throws IOException {
    folder = Files.createTempDirectory("mutation");
  }

  @AfterProperty
  void deleteFolder() throws IOException {
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** What happens to a file; places are fractions of the part that is being damaged. */
  sealed interface Damage {
    byte[] apply(byte[] bytes, int region);

    record Flip(double at, int bit) implements Damage {
      @Override
      public byte[] apply(byte[] bytes, int region) {
        byte[] out = bytes.clone();
        out[(int) (at * region)] ^= (byte) (1 << bit);
        return out;
      }
    }

    record Cut(double at) implements Damage {
      @Override
      public byte[] apply(byte[] bytes, int region) {
        return Arrays.copyOf(bytes, (int) (at * region));
      }
    }

    /** {@code value} in {@code width} bytes. */
    record Number(double at, long value, int width) implements Damage {
      @Override
      public byte[] apply(byte[] bytes, int region) {
        byte[] out = bytes.clone();
        int start = (int) (at * (region - width));
        for (int i = 0; i < width; i++) {
          out[start + i] = (byte) (value >> 8 * i);
        }
        return out;
      }
    }

    /** {@code length} bytes from one place over those of another. */
    record Splice(double from, double to, int length) implements Damage {
      @Override
      public byte[] apply(byte[] bytes, int region) {
        byte[] out = bytes.clone();
        int start = (int) (from * (region - length));
        System.arraycopy(bytes, start, out, (int) (to * (region - length)), length);
        return out;
      }
    }

    /** Inserts or, if negative, removes bytes. */
    record Shift(double at, int by) implements Damage {
      @Override
      public byte[] apply(byte[] bytes, int region) {
        int start = (int) (at * (region - Math.abs(by)));
        byte[] out = Arrays.copyOf(bytes, bytes.length + by);
        int keptFrom = by > 0 ? start : start - by;
        System.arraycopy(bytes, keptFrom, out, keptFrom + by, bytes.length - keptFrom);
        return out;
      }
    }
  }

  @Provide
  Arbitrary<Damage> damage() {
    Arbitrary<Double> place = Arbitraries.doubles().between(0, 0.999999).ofScale(6);
    Arbitrary<Long> number =
        Arbitraries.of(
            0L,
            1L,
            -1L,
            2L,
            31L,
            33L,
            255L,
            65536L,
            1L << 31,
            (1L << 32) - 1,
            1L << 32,
            1L << 40,
            1L << 62,
            Long.MAX_VALUE,
            Long.MIN_VALUE,
            Double.doubleToLongBits(Double.NaN));
    return Arbitraries.oneOf(
        Combinators.combine(place, Arbitraries.integers().between(0, 7)).as(Damage.Flip::new),
        place.map(Damage.Cut::new),
        Combinators.combine(place, number, Arbitraries.of(1, 2, 4, 8)).as(Damage.Number::new),
        Combinators.combine(place, place, Arbitraries.integers().between(1, LONGEST))
            .as(Damage.Splice::new),
        Combinators.combine(place, Arbitraries.of(-LONGEST, -8, -4, -1, 1, 4, 8, 32))
            .as(Damage.Shift::new));
  }

  @Property(tries = 1500, shrinking = ShrinkingMode.OFF)
  void ggufHeaders(@ForAll("damage") Damage damage) {
    open(damage.apply(GGUF, GGUF_HEADER), "m.gguf");
  }

  @Property(tries = 600, shrinking = ShrinkingMode.OFF)
  void olderGgufHeaders(@ForAll("damage") Damage damage) {
    open(damage.apply(OLD_GGUF, OLD_HEADER), "m.gguf");
  }

  @Property(tries = 300, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void ggufsTwiceDamaged(@ForAll("damage") Damage once, @ForAll("damage") Damage twice) {
    byte[] bytes = once.apply(GGUF, GGUF.length);
    boolean tooShort = bytes.length < 2 * LONGEST;
    open(tooShort ? bytes : twice.apply(bytes, Math.min(GGUF_HEADER, bytes.length)), "m.gguf");
  }

  @Property(tries = 500, shrinking = ShrinkingMode.OFF)
  void safetensorsHeaders(@ForAll("damage") Damage damage) {
    TinyModel.write(
        folder.resolve("config.json"),
        SafetensorsWriter.json(TinyModel.V3.config()).getBytes(StandardCharsets.UTF_8));
    open(damage.apply(SAFETENSORS, SAFETENSORS_HEADER), "model.safetensors");
  }

  @Property(tries = 400, shrinking = ShrinkingMode.OFF)
  void configs(@ForAll("damage") Damage damage) {
    writeOnce("model.safetensors", SAFETENSORS);
    open(damage.apply(CONFIG, CONFIG.length), "config.json");
  }

  @Property(tries = 300, shrinking = ShrinkingMode.OFF)
  void indexes(@ForAll("damage") Damage damage) throws IOException {
    Path index = folder.resolve("model.safetensors.index.json");
    if (intactIndex.length == 0) {
      TinyModel.folder(folder, TinyModel.V3.config(), TinyModel.V3.safetensors("BF16"), 2);
      intactIndex = Files.readAllBytes(index);
    }
    open(damage.apply(intactIndex, intactIndex.length), index.getFileName().toString());
  }

  private void writeOnce(String name, byte[] bytes) {
    if (!Files.exists(folder.resolve(name))) {
      TinyModel.write(folder.resolve(name), bytes);
    }
  }

  private void open(byte[] bytes, String name) {
    Path file = TinyModel.write(folder.resolve(name), bytes);
    try (Checkpoint c = Checkpoints.open(name.endsWith(".gguf") ? file : folder)) {
      assertSound(c, folderBytes());
    } catch (WeightException e) {
      assertTrue(e.getMessage().contains(": expected "), e.getMessage());
    }
  }

  private long folderBytes() {
    try (var files = Files.list(folder)) {
      return files.mapToLong(f -> f.toFile().length()).sum();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void assertSound(Checkpoint c, long available) {
    assertTrue(c.byteSize() <= available, "no more bytes than the files have");
    DeepseekConfig config = c.config();
    assertTrue(Double.isFinite(config.softmaxScale()) && config.softmaxScale() > 0);
    for (double f : config.ropeFrequencies()) {
      assertTrue(Double.isFinite(f));
    }
    for (int layer = 0; layer < config.layers() + config.mtpLayers(); layer++) {
      for (Part part : LayerParts.all(config, layer)) {
        PartShape want = PartShape.of(part, layer, config);
        boolean experts =
            List.of(Part.EXPERT_GATE, Part.EXPERT_UP, Part.EXPERT_DOWN).contains(part);
        List<HostTensor> tensors =
            experts
                ? config.isMoe(layer) ? c.experts(part, layer) : List.of()
                : c.find(part, layer).stream().toList();
        for (HostTensor t : tensors) {
          assertEquals(want, new PartShape(t.rows(), t.cols()), t.name());
          touch(t.data());
          t.scales().ifPresent(MutationTest::touch);
        }
      }
      c.tensor(Part.KEY_UP, layer);
      c.tensor(config.isMoe(layer) ? Part.ROUTER : Part.FFN_GATE, layer);
    }
    c.vocabulary();
    assertTrue(!c.metadata().isEmpty());
  }

  private static void touch(MemorySegment data) {
    var _ = data.get(ValueLayout.JAVA_BYTE, 0);
    var _ = data.get(ValueLayout.JAVA_BYTE, data.byteSize() - 1);
  }
}
