package dev.yuzui.compare;

import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A weight that a part of the model is computed with.
 *
 * @param name as the file has it
 * @param op that takes it
 */
record Weighed(Part part, String name, Encoding encoding, String op) {

  /** What the place is computed with; empty where there are activations only. */
  static List<Weighed> at(Checkpoint checkpoint, Place place) {
    DeepseekConfig config = checkpoint.config();
    int layer = place.layer();
    boolean predicts = layer >= config.layers();
    boolean prompt = place.phase() == Phase.PROMPT;
    boolean chooses = config.topK() < Integer.MAX_VALUE;
    String attend = !prompt ? "mlaAbsorbed" : chooses ? "mlaPrefill or mlaChosen" : "mlaPrefill";
    String norm = config.hyperConnections().isPresent() ? "rmsNorm" : "addRmsNorm";
    Found found = new Found(checkpoint, predicts || !whole(place.point()) ? layer : 0);
    return switch (place.point()) {
      case EMBEDDING -> found.add("embed", Part.EMBED).weights;
      case MTP_INPUT ->
          found
              .addFirst("embed", Part.MTP_EMBED, Part.EMBED)
              .add("rmsNorm", Part.MTP_ENORM, Part.MTP_HNORM)
              .add("matmul", Part.MTP_PROJ, Part.MTP_PROJ_EMBED, Part.MTP_PROJ_HIDDEN)
              .weights;
      case ATTN_NORM ->
          found
              .add("matmul", Part.HC_ATTN_FN)
              .add("readStreams", Part.HC_ATTN_BASE, Part.HC_ATTN_SCALE)
              .add(norm, Part.ATTN_NORM)
              .weights;
      case QUERY ->
          found
              .add("matmul", Part.Q, Part.Q_A)
              .add("rmsNorm", Part.Q_A_NORM)
              .add("matmul", Part.Q_B)
              .add("addRow", Part.Q_BIAS)
              .weights;
      case KEY -> found.add("matmul", Part.K).add("addRow", Part.K_BIAS).weights;
      case VALUE -> found.add("matmul", Part.V).add("addRow", Part.V_BIAS).weights;
      case LATENT -> found.add("matmul", Part.KV_A, Part.KV).weights;
      case INDEX_QUERY -> found.add("matmul", Part.INDEX_Q).weights;
      case INDEX_KEY -> found.add("matmul", Part.INDEX_K).weights;
      case INDEX_WEIGHTS -> found.add("matmul", Part.INDEX_WEIGHTS).weights;
      case CHOSEN_ENTRIES -> found.add("appendIndex", Part.INDEX_K_NORM, Part.INDEX_K_BIAS).weights;
      case HEADS ->
          found
              .add("ropeAppend", Part.KV_A_NORM)
              .add(attend, Part.KEY_UP, Part.VALUE_UP)
              .add("rmsNorm", Part.Q_NORM, Part.K_NORM, Part.KV_NORM)
              .add("matmul", Part.COMPRESS_KV, Part.COMPRESS_GATE)
              .add("appendBlock", Part.COMPRESS_APE, Part.COMPRESS_NORM)
              .add("matmul", Part.INDEX_COMPRESS_KV, Part.INDEX_COMPRESS_GATE)
              .add("appendBlock", Part.INDEX_COMPRESS_APE, Part.INDEX_COMPRESS_NORM)
              .add("sinkDecode", Part.ATTN_SINKS)
              .weights;
      case ATTENTION ->
          found
              .add("matmulPerHead", Part.ATTN_OUT_A)
              .add("matmul", Part.ATTN_OUT, Part.ATTN_OUT_B)
              .add("addRow", Part.ATTN_OUT_BIAS)
              .weights;
      case FFN_NORM ->
          found
              .add("matmul", Part.HC_FFN_FN)
              .add("readStreams", Part.HC_FFN_BASE, Part.HC_FFN_SCALE)
              .add(norm, Part.FFN_NORM)
              .weights;
      case EXPERT_IDS ->
          config.hashes(layer)
              ? found.add("routeByToken", Part.ROUTER_TABLE).weights
              : found.add("gate", Part.ROUTER, Part.ROUTER_BIAS).weights;
      case EXPERT_WEIGHTS ->
          config.hashes(layer)
              ? found.add("matmul", Part.ROUTER).weights
              : found.add("gate", Part.ROUTER, Part.ROUTER_BIAS).weights;
      case SHARED ->
          found
              .add("gatedMlp", Part.SHARED_GATE, Part.SHARED_UP)
              .add("matmul", Part.SHARED_DOWN)
              .weights;
      case FEED_FORWARD ->
          config.isMoe(layer)
              ? found.addExperts(Part.EXPERT_GATE, Part.EXPERT_UP, Part.EXPERT_DOWN).weights
              : found
                  .add("gatedMlp", Part.FFN_GATE, Part.FFN_UP)
                  .add("matmul", Part.FFN_DOWN)
                  .weights;
      case FINAL_NORM ->
          predicts
              ? found
                  .add("matmul", Part.MTP_HC_FN)
                  .add("readStreams", Part.MTP_HC_BASE, Part.MTP_HC_SCALE)
                  .addFirst(norm, Part.MTP_NORM, Part.FINAL_NORM)
                  .weights
              : found
                  .add("matmul", Part.HC_HEAD_FN)
                  .add("readStreams", Part.HC_HEAD_BASE, Part.HC_HEAD_SCALE)
                  .add(norm, Part.FINAL_NORM)
                  .weights;
      case LOGITS ->
          predicts
              ? found.addFirst("matmul", Part.MTP_HEAD, Part.HEAD).weights
              : found.add("matmul", Part.HEAD).weights;
    };
  }

  /** Whether the weights are the whole model's, not a layer's. */
  private static boolean whole(Point point) {
    return point == Point.EMBEDDING || point == Point.FINAL_NORM || point == Point.LOGITS;
  }

  /** {@code groupedMatmul Q6_K (blk.3.ffn_down_exps)}. */
  String text() {
    String bare = name.replaceFirst("\\[0]$", "").replaceFirst("\\.weight$", "");
    return op + " " + encoding.label() + " (" + bare + ")";
  }

  private static final class Found {
    private final Checkpoint checkpoint;
    private final int layer;
    private final List<Weighed> weights = new ArrayList<>();

    Found(Checkpoint checkpoint, int layer) {
      this.checkpoint = checkpoint;
      this.layer = layer;
    }

    /** Those of {@code parts} that the model has. */
    Found add(String op, Part... parts) {
      for (Part part : parts) {
        checkpoint.find(part, layer).ifPresent(t -> add(op, part, t));
      }
      return this;
    }

    /** The layer's own, else the main model's. */
    Found addFirst(String op, Part own, Part main) {
      Optional<HostTensor> tensor = checkpoint.find(own, layer);
      add(op, main, tensor.orElseGet(() -> checkpoint.tensor(main, 0)));
      return this;
    }

    Found addExperts(Part... parts) {
      for (Part part : parts) {
        try (Arena passing = Arena.ofShared()) {
          add("groupedMatmul", part, checkpoint.experts(part, layer, passing).getFirst());
        }
      }
      return this;
    }

    private void add(String op, Part part, HostTensor tensor) {
      weights.add(new Weighed(part, tensor.name(), tensor.encoding(), op));
    }
  }
}
