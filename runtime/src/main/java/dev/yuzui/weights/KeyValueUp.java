package dev.yuzui.weights;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.weights.AttentionConfig.Latent;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Splits kv_b [N·(P+V), Lkv], a head's P key rows before its V value rows, into W_UK with each head
 * transposed, [N·Lkv, P], and W_UV, [N·V, Lkv].
 *
 * <p>W_UK of block formats becomes F16 (F32 where a weight exceeds F16), as transposed rows cannot
 * keep their blocks; F32, F16 and BF16 stay as they are. W_UV's rows are copied unchanged. FP8,
 * whose tiles straddle heads, becomes F32.
 */
final class KeyValueUp {
  private static final float F16_MAX = 65504;

  private KeyValueUp() {}

  static HostTensor key(HostTensor kvB, Latent c, Arena arena) {
    Encoding encoding = keyEncoding(kvB.encoding());
    return transposed(kvB, c, encoding, arena)
        .or(() -> transposed(kvB, c, Encoding.F32, arena))
        .orElseThrow();
  }

  /** Empty if {@code encoding} is F16 and cannot hold a weight. */
  private static Optional<HostTensor> transposed(
      HostTensor kvB, Latent c, Encoding encoding, Arena arena) {
    PartShape shape = PartShape.latent(Part.KEY_UP, c, 0);
    MemorySegment out = arena.allocate(encoding.byteSize(shape.rows(), shape.cols()), 64);
    long headBytes = encoding.byteSize(c.kvLoraRank(), shape.cols());
    boolean fits =
        IntStream.range(0, c.heads())
            .parallel()
            .mapToObj(
                n -> {
                  float[] head = head(kvB, c, n);
                  Quantizer.encode(encoding, head, 0, head.length, out, n * headBytes);
                  return kvB.encoding() instanceof Encoding.Plain || fitsF16(head);
                })
            .reduce(true, Boolean::logicalAnd);
    return fits || encoding.equals(Encoding.F32)
        ? Optional.of(
            HostTensor.of(kvB.name() + " (keys)", encoding, shape.rows(), shape.cols(), out))
        : Optional.empty();
  }

  /** W_UK of head {@code n}, transposed: [Lkv, P]. */
  private static float[] head(HostTensor kvB, Latent c, int n) {
    int nope = c.nope();
    float[] row = new float[c.kvLoraRank()];
    float[] transposed = new float[row.length * nope];
    for (int p = 0; p < nope; p++) {
      Dequantizer.row(kvB, keyRow(c, n, p), row, 0);
      for (int l = 0; l < row.length; l++) {
        transposed[l * nope + p] = row[l];
      }
    }
    return transposed;
  }

  private static boolean fitsF16(float[] weights) {
    for (float w : weights) {
      if (Math.abs(w) > F16_MAX) {
        return false;
      }
    }
    return true;
  }

  static HostTensor value(HostTensor kvB, Latent c, Arena arena) {
    Encoding encoding = valueEncoding(kvB.encoding());
    PartShape shape = PartShape.latent(Part.VALUE_UP, c, 0);
    long row = encoding.rowBytes(shape.cols());
    MemorySegment out = arena.allocate(shape.rows() * row, 64);
    float[] decoded = new float[(int) shape.cols()];
    for (long r = 0; r < shape.rows(); r++) {
      long head = r / c.value();
      long from = keyRow(c, head + 1, 0) - c.value() + r % c.value();
      if (encoding.equals(kvB.encoding())) {
        MemorySegment.copy(kvB.data(), from * row, out, r * row, row);
      } else {
        Dequantizer.row(kvB, from, decoded, 0);
        Quantizer.encode(encoding, decoded, 0, decoded.length, out, r * row);
      }
    }
    return HostTensor.of(kvB.name() + " (values)", encoding, shape.rows(), shape.cols(), out);
  }

  /**
   * A half as a tensor of a GGUF, head after head: [N, Lkv, P] or [N, V, Lkv]. Nothing is rounded:
   * numbers that cannot stay as they are become F32.
   *
   * @param file where {@code kvB} lies
   */
  static GgufTensor heads(Part half, int layer, HostTensor kvB, Latent c, Path file) {
    boolean key = half == Part.KEY_UP;
    Encoding encoding =
        kvB.encoding() instanceof Encoding.Plain || !key && kvB.encoding() instanceof Encoding.Block
            ? kvB.encoding()
            : Encoding.F32;
    String name = TensorNames.GGUF.of(half, layer).orElseThrow();
    long rows = key ? c.kvLoraRank() : c.value();
    long cols = key ? c.nope() : c.kvLoraRank();
    return new GgufTensor(
        name,
        List.of((long) c.heads(), rows, cols),
        encoding,
        layer,
        file,
        c.heads(),
        (n, arena) -> {
          MemorySegment out = arena.allocate(encoding.byteSize(rows, cols), 64);
          if (encoding instanceof Encoding.Block) {
            long from = encoding.byteSize(keyRow(c, n, c.nope()), cols);
            MemorySegment.copy(kvB.data(), from, out, 0, out.byteSize());
          } else {
            float[] head = key ? head(kvB, c, n) : valueHead(kvB, c, n);
            Quantizer.encode(encoding, head, 0, head.length, out, 0);
          }
          return HostTensor.of(name, encoding, rows, cols, out);
        });
  }

  /** W_UV of head {@code n}, [V, Lkv]. */
  private static float[] valueHead(HostTensor kvB, Latent c, int n) {
    float[] rows = new float[c.value() * c.kvLoraRank()];
    for (int v = 0; v < c.value(); v++) {
      Dequantizer.row(kvB, keyRow(c, n, c.nope() + v), rows, v * c.kvLoraRank());
    }
    return rows;
  }

  /** What a half will be, taking F16 for the keys of block formats. */
  static Checkpoint.Weight weight(PartOf half, HostTensor kvB, Latent c) {
    Encoding stored = kvB.encoding();
    PartShape shape = PartShape.latent(half.part(), c, 0);
    return new Checkpoint.Weight(
        half.part(),
        half.layer(),
        half.part() == Part.KEY_UP ? keyEncoding(stored) : valueEncoding(stored),
        shape.rows(),
        shape.cols(),
        1);
  }

  /** Bytes of both. */
  static long byteSize(HostTensor kvB, Latent c) {
    return Stream.of(Part.KEY_UP, Part.VALUE_UP)
        .map(half -> weight(new PartOf(half, 0), kvB, c))
        .mapToLong(w -> w.encoding().byteSize(w.rows(), w.cols()))
        .sum();
  }

  private static Encoding keyEncoding(Encoding stored) {
    return switch (stored) {
      case Encoding.Plain plain -> plain;
      case Encoding.Fp8Tiled _ -> Encoding.F32;
      case Encoding.Block _ -> Encoding.F16;
    };
  }

  private static Encoding valueEncoding(Encoding stored) {
    return stored instanceof Encoding.Fp8Tiled ? Encoding.F32 : stored;
  }

  private static long keyRow(Latent c, long head, long p) {
    return head * (c.nope() + c.value()) + p;
  }
}
