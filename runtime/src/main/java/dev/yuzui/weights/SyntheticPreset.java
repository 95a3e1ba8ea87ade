package dev.yuzui.weights;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Shapes of published models, for benchmarks without a download: synthetic.json, each in the keys
 * of its config.json. A name that ends in {@code -4l} is the model's first four layers: of V3 three
 * dense ones and one with experts, of Kimi-K2 one and three, of V4-Flash two with a window alone
 * and one of each ratio.
 */
final class SyntheticPreset {
  private static final String RESOURCE = "synthetic.json";
  private static final Map<String, DeepseekConfig> ALL = all();

  private SyntheticPreset() {}

  static List<String> names() {
    return List.copyOf(ALL.keySet());
  }

  static DeepseekConfig config(String name) {
    DeepseekConfig config = ALL.get(name);
    if (config == null) {
      throw new IllegalArgumentException(
          "no synthetic model " + name + "; choose one of " + String.join(", ", names()));
    }
    return config;
  }

  private static Map<String, DeepseekConfig> all() {
    try (InputStream in = SyntheticPreset.class.getResourceAsStream(RESOURCE)) {
      Map<String, DeepseekConfig> all = new LinkedHashMap<>();
      Json.object(Path.of(RESOURCE), "presets", in.readAllBytes())
          .forEach((name, json) -> all.put(name, config(name, json)));
      return Collections.unmodifiableMap(all);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static DeepseekConfig config(String name, Object json) {
    Map<String, Object> keys = new LinkedHashMap<>();
    ((Map<?, ?>) json).forEach((key, value) -> keys.put((String) key, value));
    return HfConfig.of(Path.of(name, "config.json"), keys);
  }
}
