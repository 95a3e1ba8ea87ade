package dev.yuzui.compare;

import dev.yuzui.model.Point;
import java.util.Locale;

/** Places in words. */
public final class Names {
  private Names() {}

  /** {@code prompt, layer 3, expert output}. */
  static String of(Place place, int mainLayers) {
    return (place.phase() == Phase.PROMPT ? "prompt, " : "decoding, ")
        + (whole(place.point()) && place.layer() < mainLayers
            ? ""
            : layer(place.layer(), mainLayers) + ", ")
        + of(place.point());
  }

  private static boolean whole(Point point) {
    return point == Point.EMBEDDING || point == Point.FINAL_NORM || point == Point.LOGITS;
  }

  public static String layer(int layer, int mainLayers) {
    return layer < mainLayers ? "layer " + layer : "MTP layer " + layer;
  }

  public static String of(Point point) {
    return switch (point) {
      case EMBEDDING -> "embedding";
      case MTP_INPUT -> "projection";
      case ATTN_NORM -> "attention norm";
      case QUERY -> "queries";
      case LATENT -> "latent";
      case KEY -> "keys";
      case VALUE -> "values";
      case INDEX_QUERY -> "indexer queries";
      case INDEX_KEY -> "indexer keys";
      case INDEX_WEIGHTS -> "indexer weights";
      case CHOSEN_ENTRIES -> "choice of entries";
      case HEADS -> "attention heads";
      case ATTENTION -> "attention output";
      case FFN_NORM -> "FFN norm";
      case EXPERT_IDS -> "choice of experts";
      case EXPERT_WEIGHTS -> "gate weights";
      case SHARED -> "shared expert output";
      case FEED_FORWARD -> "expert output";
      case FINAL_NORM -> "final norm";
      case LOGITS -> "logits";
    };
  }

  /** {@code 0.41}, {@code 2.3e-05}. */
  public static String error(double value) {
    return value == 0 || value >= 0.01
        ? String.format(Locale.ROOT, "%.2g", value)
        : String.format(Locale.ROOT, "%.1e", value);
  }
}
