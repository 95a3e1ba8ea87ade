package dev.yuzui.cli.inspect;

import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.DeviceMemory;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.io.Texts;
import dev.yuzui.spi.RepackCache;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The file of a model's repacked weights.
 *
 * @param used whether the flag was given
 * @param bytes that it has; none where there is no such file
 * @param neededBytes at most, to write it
 * @param freeBytes where it lies
 * @param unfit why it would be made anew
 */
record RepackRow(
    String file,
    boolean used,
    Optional<Long> bytes,
    long neededBytes,
    Optional<Long> freeBytes,
    Optional<String> unfit) {

  /**
   * Where the flag was not given: what is there for the day it is.
   *
   * @param usual folder if the flag names none
   */
  static List<RepackRow> of(
      Checkpoint checkpoint, MemoryPlan plan, RuntimeOptions options, Path usual) {
    if (!options.repack()) {
      return List.of();
    }
    boolean used = options.repackCache().isPresent();
    Path folder = options.repackCache().orElse(usual);
    return plan.devices().stream()
        .flatMap(device -> row(checkpoint, device, folder, used).stream())
        .filter(row -> used || row.bytes().isPresent())
        .distinct()
        .toList();
  }

  private static Optional<RepackRow> row(
      Checkpoint checkpoint, DeviceMemory device, Path folder, boolean used) {
    Optional<RepackCache.State> found = device.repacked(folder, checkpoint);
    return found.map(
        state ->
            new RepackRow(
                state.file().toString(),
                used,
                boxed(state.bytes()),
                device.weightBytes(),
                boxed(state.room()),
                state.unfit()));
  }

  private static Optional<Long> boxed(OptionalLong bytes) {
    return bytes.isPresent() ? Optional.of(bytes.getAsLong()) : Optional.empty();
  }

  String line() {
    if (unfit.isPresent()) {
      return Texts.bytes(bytes.orElse(0L)) + " in " + file + ", made anew: " + unfit.get();
    }
    if (bytes.isPresent()) {
      return Texts.bytes(bytes.get()) + " in " + file + (used ? "" : ", with --repack-cache");
    }
    return "none yet; the first start writes "
        + Texts.bytes(neededBytes)
        + " to "
        + file
        + (freeBytes.isPresent() ? ", where " + Texts.bytes(freeBytes.get()) + " are free" : "");
  }
}
