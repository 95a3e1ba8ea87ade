package dev.yuzui.weights;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;

/**
 * Rows of queries and keys whose pairs that rotate are (i, i + D/2) of a head, put in the order in
 * which they are (2i, 2i + 1). Queries and keys are moved alike, so that their products stay; rows
 * of whole blocks are copied as they are, whatever the format.
 */
final class Halves {
  /** What is moved: the biases and the norms with the rows they belong to. */
  private static final Set<Part> GROUPED =
      EnumSet.of(Part.Q, Part.K, Part.Q_BIAS, Part.K_BIAS, Part.Q_NORM, Part.K_NORM);

  private static final Set<Part> INDEX =
      EnumSet.of(Part.INDEX_Q, Part.INDEX_K, Part.INDEX_K_NORM, Part.INDEX_K_BIAS);

  private Halves() {}

  /**
   * Parts that lie by halves.
   *
   * @param grouped whether those of grouped-query attention do, in this format
   */
  static Set<Part> parts(DeepseekConfig c, boolean grouped) {
    return switch (c.attention()) {
      case AttentionConfig.Latent a ->
          a.indexer().filter(AttentionConfig.Indexer::halves).isPresent() ? INDEX : Set.of();
      case AttentionConfig.Grouped _ -> grouped ? GROUPED : Set.of();
      case AttentionConfig.Compressed _ -> Set.of();
    };
  }

  /** FP8 whose tiles straddle the rows of a head becomes F32; elsewhere rows stay in their tile. */
  static Encoding encoding(Encoding stored, int head) {
    return stored instanceof Encoding.Fp8Tiled tiled && head % tiled.tile() != 0
        ? Encoding.F32
        : stored;
  }

  static Checkpoint.Weight weight(PartOf key, HostTensor t, DeepseekConfig c) {
    return new Checkpoint.Weight(
        key.part(), key.layer(), encoding(t.encoding(), head(c)), t.rows(), t.cols(), 1);
  }

  /** Bytes of {@link #interleaved}. */
  static long byteSize(HostTensor t, DeepseekConfig c) {
    return encoding(t.encoding(), head(c)).byteSize(t.rows(), t.cols());
  }

  private static int head(DeepseekConfig c) {
    return switch (c.attention()) {
      case AttentionConfig.Latent latent -> latent.indexer().orElseThrow().head();
      case AttentionConfig.Grouped grouped -> grouped.head();
      case AttentionConfig.Compressed compressed -> compressed.head();
    };
  }

  /** A part of {@code c}. */
  static HostTensor interleaved(HostTensor t, DeepseekConfig c, Arena arena) {
    return interleaved(t, head(c), c.attention().rope(), arena);
  }

  /**
   * @param t [heads·D, cols], or a vector [1, heads·D]
   * @param rotates elements of a head that are moved, the first
   */
  static HostTensor interleaved(HostTensor t, int head, int rotates, Arena arena) {
    Encoding encoding = encoding(t.encoding(), head);
    MemorySegment out = arena.allocate(encoding.byteSize(t.rows(), t.cols()), 64);
    boolean vector = t.rows() == 1;
    long count = vector ? t.cols() : t.rows();
    long bytes = vector ? encoding.blockBytes() : encoding.rowBytes(t.cols());
    float[] decoded = new float[encoding.equals(t.encoding()) ? 0 : (int) t.cols()];
    for (long row = 0; row < count; row++) {
      int i = (int) (row % head);
      long from = i >= rotates ? row : row - i + (i % 2 == 0 ? i / 2 : i / 2 + rotates / 2);
      if (decoded.length == 0) {
        MemorySegment.copy(t.data(), from * bytes, out, row * bytes, bytes);
      } else {
        Dequantizer.row(t, from, decoded, 0);
        Quantizer.encode(encoding, decoded, 0, decoded.length, out, row * bytes);
      }
    }
    return new HostTensor(
        t.name(),
        encoding,
        t.rows(),
        t.cols(),
        out,
        encoding.equals(t.encoding()) ? t.scales() : Optional.empty());
  }
}
