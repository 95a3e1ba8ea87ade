package dev.yuzui.weights;

import java.util.Set;

/**
 * Parameter counts by the configuration, norms and router biases included, head and embedding
 * counted apart.
 *
 * @param total of the main model
 * @param active what one token computes with: of the routed experts only those it uses
 * @param mtp of the MTP layers, without an embedding and head of their own
 */
public record Parameters(long total, long active, long mtp) {

  public static Parameters of(DeepseekConfig c) {
    long total = 0;
    for (Part part : LayerParts.ofModel(c)) {
      total += PartShape.of(part, 0, c).elements();
    }
    long active = total;
    for (int layer = 0; layer < c.layers(); layer++) {
      total += layer(c, layer, c.gate().experts());
      active += layer(c, layer, c.gate().used());
    }
    long mtp = 0;
    for (int layer = c.layers(); layer < c.layers() + c.mtpLayers(); layer++) {
      mtp += layer(c, layer, c.gate().experts());
      if (!LayerParts.required(c, layer).contains(Part.MTP_NORM)) {
        mtp += PartShape.of(Part.MTP_NORM, layer, c).elements();
      }
    }
    return new Parameters(total, active, mtp);
  }

  private static long layer(DeepseekConfig c, int layer, int experts) {
    Set<Part> parts = LayerParts.required(c, layer);
    return parts.stream()
        .filter(p -> p != Part.ROUTER_TABLE) // indices
        .mapToLong(
            p ->
                PartShape.of(p, layer, c).elements()
                    * (LayerParts.EXPERTS.contains(p) ? experts : 1))
        .sum();
  }
}
