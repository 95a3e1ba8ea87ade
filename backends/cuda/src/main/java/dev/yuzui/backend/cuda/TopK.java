package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Tensor;

/** Launches of sampling.cu. */
final class TopK {
  private static final int THREADS = 256;

  /** Logits of a row that a block of top_k looks through, and the candidates one block merges. */
  private static final long SEARCHED_AT_ONCE = 4096;

  private static final long MOST_CANDIDATES = 8192;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;

  TopK(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(THREADS);
  }

  /** See {@link dev.yuzui.spi.Ops#topK}. */
  void run(Tensor logits, Tensor ids, Tensor values) {
    long k = ids.cols();
    long parts = Math.ceilDiv(logits.cols(), SEARCHED_AT_ONCE);
    if (k > 1 && k * parts > MOST_CANDIDATES) {
      throw new BackendException(
          logits + " is too wide to pick " + k + " of a row on the device",
          "pick at most " + MOST_CANDIDATES / parts);
    }
    try (var frame = scratch.frame()) {
      long best = scratch.bytes("candidates", 8 * logits.rows() * k * parts);
      if (k == 1) {
        begin("argmax")
            .grid(parts, logits.rows())
            .p(logits)
            .i(logits.cols())
            .p(ids)
            .p(values)
            .p(best)
            .p(queue.counters())
            .run();
        return;
      }
      begin("top_k_part").grid(parts, logits.rows()).p(logits).i(logits.cols()).i(k).p(best).run();
      begin("top_k_merge")
          .grid(logits.rows())
          .block(16 * 128 >= k * parts ? 128 : 16 * 256 >= k * parts ? 256 : 512)
          .p(best)
          .i(parts)
          .i(k)
          .p(ids)
          .p(values)
          .run();
    }
  }
}
