package dev.yuzui.engine;

import dev.yuzui.cache.LatentCacheStore;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;

/**
 * What a model needs before it is loaded.
 *
 * @param weightBytes of the checkpoint's tensors
 * @param cacheBytesPerToken of one sequence, over all layers
 * @param cacheBytes for every sequence at full context
 * @param scratchBytes activations, logits and tables of the largest step, estimated from above, and
 *     weights made from the stored ones at load
 * @param availableBytes free on the device
 */
public record MemoryPlan(
    long weightBytes,
    long cacheBytesPerToken,
    long cacheBytes,
    long scratchBytes,
    long availableBytes) {

  public static MemoryPlan of(
      Checkpoint checkpoint, RuntimeOptions options, int contextLength, long availableBytes) {
    DeepseekConfig c = checkpoint.config();
    Encoding encoding = options.cacheEncoding();
    long perToken =
        LatentCacheStore.bytesPerToken(c.layers() + c.mtpLayers(), c.cacheEntry(), encoding);
    long pages = Math.ceilDiv(contextLength, options.pageTokens());
    long entries = pages * options.pageTokens() * options.maxSequences();
    return new MemoryPlan(
        checkpoint.byteSize(),
        perToken,
        Math.multiplyExact(perToken, entries),
        scratch(c, options.batchTokens(), contextLength) + checkpoint.derivedBytes(),
        availableBytes);
  }

  /** The widest layer's activations, the logits, and the RoPE table. */
  private static long scratch(DeepseekConfig c, long tokens, long context) {
    long attention =
        (long) c.heads() * (2L * (c.nopeHeadDim() + c.ropeHeadDim()) + 2L * c.cacheEntry());
    long dense = 2L * c.denseWidth();
    long experts = (long) c.gate().used() * (2L * c.expertWidth() + c.hiddenSize());
    long row = 8L * c.hiddenSize() + Math.max(attention, Math.max(dense, experts));
    long logits = (long) StepRunner.MAX_OUTPUTS * c.vocabSize();
    return 4 * (tokens * row + logits + context * c.ropeHeadDim());
  }

  public long totalBytes() {
    return weightBytes + cacheBytes + scratchBytes;
  }

  public boolean fits() {
    return totalBytes() <= availableBytes;
  }
}
