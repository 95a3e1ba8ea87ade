package dev.yuzui.cli.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.yuzui.cli.shell.Machine;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.engine.Engine;
import dev.yuzui.io.Texts;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import dev.yuzui.weights.Parameters;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What was measured on, in llama-bench's field names.
 *
 * @param build version of this program
 * @param device as it was asked for, empty for the backend's first
 * @param modelSize bytes of all tensors
 */
record BenchSetup(
    String build,
    String cpuInfo,
    String backend,
    String device,
    String backendInfo,
    String modelFilename,
    String modelType,
    long modelSize,
    @JsonProperty("model_n_params") long modelNParams,
    int nBatch,
    int nThreads,
    String typeKv) {

  static BenchSetup of(Engine engine) {
    Checkpoint checkpoint = engine.checkpoint();
    return new BenchSetup(
        Version.number(),
        Machine.processor(),
        engine.backendName(),
        String.join(",", engine.options().devices()),
        engine.backendDescription(),
        checkpoint.path().toString(),
        checkpoint.config().name() + " " + mainType(checkpoint),
        checkpoint.byteSize(),
        Parameters.of(checkpoint.config()).total(),
        engine.batchTokens(),
        engine.options().threads(),
        engine.options().cache().encoding().label());
  }

  /** The type that most of the bytes are in. */
  private static String mainType(Checkpoint checkpoint) {
    Map<String, Long> bytes =
        checkpoint.stored().stream()
            .collect(
                Collectors.groupingBy(
                    StoredTensor::type, Collectors.summingLong(StoredTensor::bytes)));
    return bytes.entrySet().stream()
        .max(Comparator.comparingLong(Map.Entry::getValue))
        .map(Map.Entry::getKey)
        .orElse("");
  }

  /** The backend, or its device where one was asked for, or several. */
  String label() {
    return device.startsWith(backend + ":") || device.contains(",") ? device : backend;
  }

  /** The first cells of a table's row. */
  String markdown() {
    return String.format(
        Locale.ROOT,
        "| %s | %s | %s | %s | %d | %d |",
        modelType,
        Texts.bytes(modelSize),
        Texts.count(modelNParams),
        label(),
        nThreads,
        nBatch);
  }
}
