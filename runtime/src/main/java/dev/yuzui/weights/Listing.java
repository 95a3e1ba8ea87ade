package dev.yuzui.weights;

import dev.yuzui.weights.Checkpoint.StoredTensor;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * What a checkpoint holds, of which nothing is said to run.
 *
 * @param format as {@link Checkpoint#format}
 * @param config empty where it is no supported model's
 * @param unusable types among {@code stored} that no backend computes with
 */
public record Listing(
    Path path,
    String format,
    Optional<DeepseekConfig> config,
    Map<String, String> metadata,
    List<StoredTensor> stored,
    Set<String> unusable) {

  static Listing of(
      Path path,
      String format,
      Supplier<DeepseekConfig> config,
      Map<String, String> metadata,
      Collection<RawTensor> tensors) {
    return new Listing(
        path,
        format,
        readable(config),
        metadata,
        tensors.stream().map(RawTensor::stored).toList(),
        tensors.stream()
            .filter(t -> t.encoding().isEmpty())
            .map(RawTensor::type)
            .collect(Collectors.toUnmodifiableSet()));
  }

  private static Optional<DeepseekConfig> readable(Supplier<DeepseekConfig> config) {
    try {
      return Optional.of(config.get());
    } catch (WeightException _) {
      return Optional.empty(); // listing is for what cannot be opened
    }
  }
}
