package dev.yuzui.weights;

import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Bytes of the main model's weights by who reads them when a step runs, as the checkpoint has them.
 *
 * @param dense whatever the tokens are: attention, dense FFNs, routers, norms
 * @param shared shared experts, which every token visits
 * @param routed all routed experts of all layers; a step reads those its tokens went to
 * @param head once for all rows whose logits are wanted
 * @param embeddingRow for each token
 */
public record WeightBytes(long dense, long shared, long routed, long head, long embeddingRow) {
  private static final Set<Part> SHARED =
      EnumSet.of(Part.SHARED_GATE, Part.SHARED_UP, Part.SHARED_DOWN);

  public static WeightBytes of(Checkpoint checkpoint) {
    DeepseekConfig config = checkpoint.config();
    long dense = checkpoint.tensor(Part.FINAL_NORM, 0).byteSize();
    long shared = 0;
    long routed = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Part part : LayerParts.required(config, layer)) {
        if (LayerParts.EXPERTS.contains(part)) {
          routed += experts(checkpoint, part, layer);
        } else if (SHARED.contains(part)) {
          shared += checkpoint.tensor(part, layer).byteSize();
        } else {
          dense += checkpoint.tensor(part, layer).byteSize();
        }
      }
    }
    return new WeightBytes(
        dense,
        shared,
        routed,
        checkpoint.tensor(Part.HEAD, 0).byteSize(),
        checkpoint.tensor(Part.EMBED, 0).byteSize() / config.vocabSize());
  }

  /** They are all of one shape and type. */
  private static long experts(Checkpoint checkpoint, Part part, int layer) {
    try (Arena passing = Arena.ofShared()) {
      List<HostTensor> experts = checkpoint.experts(part, layer, passing);
      return experts.size() * experts.getFirst().byteSize();
    }
  }
}
