package dev.yuzui.weights;

import java.util.Map;
import java.util.stream.IntStream;

/** MTP layers that a configuration announces are often stripped from the weights. */
final class MtpLayers {
  private MtpLayers() {}

  /** {@code config} without MTP layers if the weights have nothing of any of them. */
  static DeepseekConfig present(
      DeepseekConfig config, TensorNames names, Map<String, RawTensor> raw) {
    boolean any =
        IntStream.range(config.layers(), config.layers() + config.mtpLayers())
            .mapToObj(layer -> names.layerPrefix(layer, config))
            .anyMatch(prefix -> raw.keySet().stream().anyMatch(n -> n.startsWith(prefix)));
    return any ? config : config.withMtpLayers(0);
  }
}
