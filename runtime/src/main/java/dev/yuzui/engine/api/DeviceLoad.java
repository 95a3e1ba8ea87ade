package dev.yuzui.engine.api;

import java.util.List;
import java.util.function.ToLongFunction;

/**
 * What one of several devices does, counted since the engine was opened.
 *
 * @param device its name
 * @param sequences that hold cache there now
 * @param tokens whose attention it computed, those of prompts and those made
 * @param expertTokens choices of routed experts that it computed: K for each token and layer, over
 *     all devices
 * @param bytesIn of rows that came from other devices
 * @param bytesOut of rows that went to them
 */
public record DeviceLoad(
    String device, int sequences, long tokens, long expertTokens, long bytesIn, long bytesOut) {

  /** The busiest device's over the mean: 1 is perfect, also where there is nothing. */
  public static double imbalance(List<DeviceLoad> loads, ToLongFunction<DeviceLoad> of) {
    var each = loads.stream().mapToLong(of).summaryStatistics();
    return each.getSum() == 0 ? 1 : each.getMax() / each.getAverage();
  }
}
