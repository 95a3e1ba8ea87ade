package dev.yuzui.cli.inspect;

import dev.yuzui.io.Texts;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.AttentionConfig.Compressed;
import dev.yuzui.weights.DeepseekConfig;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What compressed attention keeps of a text: rows for several tokens each, which grow with it, and
 * for each sequence what does not.
 *
 * @param ringBytes rows of a sequence's window, in all layers, MTP layers included
 * @param poolBytes what rows for several tokens are pooled from, F32: the tokens of a block, and
 *     where rows overlap of the one before it
 * @param snapshotBytes of both, with which a prefix can be taken up again
 */
record CompressedCache(List<Stream> streams, long ringBytes, long poolBytes, long snapshotBytes) {

  /**
   * Layers alike.
   *
   * @param tokensPerRow that a row stands for
   * @param indexWidth of the rows that choose among those; 0 where all are looked at
   */
  record Stream(int tokensPerRow, int layers, int width, int indexWidth, long bytesPerRow) {}

  /** Empty for other attention. */
  static Optional<CompressedCache> of(DeepseekConfig c, Encoding encoding) {
    return c.attention() instanceof Compressed a
        ? Optional.of(of(c, a, encoding))
        : Optional.empty();
  }

  private static CompressedCache of(DeepseekConfig c, Compressed a, Encoding encoding) {
    TreeMap<Integer, Integer> layers = new TreeMap<>();
    a.ratios().stream().filter(r -> r > 0).forEach(r -> layers.merge(r, 1, Integer::sum));
    List<Stream> streams =
        layers.entrySet().stream().map(e -> stream(a, e.getKey(), e.getValue(), encoding)).toList();
    long rings = kept(c, encoding, false);
    long pools = kept(c, encoding, true);
    return new CompressedCache(streams, rings, pools, rings + pools);
  }

  private static Stream stream(Compressed a, int ratio, int layers, Encoding encoding) {
    int index = ratio == Compressed.OVERLAPPED ? a.indexer().head() : 0;
    long bytes = encoding.rowBytes(a.head()) + (index > 0 ? encoding.rowBytes(index) : 0);
    return new Stream(ratio, layers, a.head(), index, bytes);
  }

  /**
   * Bytes of a sequence's rings, of those that are F32 whatever the cache is in or of the others.
   */
  private static long kept(DeepseekConfig c, Encoding encoding, boolean exact) {
    return c.cacheStreams().stream()
        .flatMap(List::stream)
        .filter(s -> s.exact() == exact)
        .mapToLong(s -> s.encoding(encoding).byteSize(s.ring(), s.width()))
        .sum();
  }

  List<String> lines() {
    return List.of(
        "streams       "
            + streams.stream().map(CompressedCache::line).collect(Collectors.joining("; ")),
        "rings         "
            + Texts.bytes(ringBytes)
            + " of windows and "
            + Texts.bytes(poolBytes)
            + " to pool from in each sequence, and as much in each snapshot of a prefix");
  }

  private static String line(Stream s) {
    String index = s.indexWidth > 0 ? " and one of %d to choose by".formatted(s.indexWidth) : "";
    return "%s a row of %d%s for %d tokens"
        .formatted(
            s.layers == 1 ? "1 layer keeps" : s.layers + " layers keep",
            s.width,
            index,
            s.tokensPerRow);
  }
}
