package dev.yuzui.cli.shell;

import dev.yuzui.engine.api.DeviceLoad;
import dev.yuzui.io.Texts;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** What several devices do, for people. */
public final class DeviceLines {
  private DeviceLines() {}

  /**
   * A line for each device, none where there is one.
   *
   * @param seconds that the tokens took
   */
  public static List<String> progress(List<DeviceLoad> loads, double seconds) {
    long experts = loads.stream().mapToLong(DeviceLoad::expertTokens).sum();
    return loads.stream()
        .map(
            d ->
                String.format(
                    Locale.ROOT,
                    "  %-10s %3d sequences, %.1f tokens a second, %.0f %% of the experts' work",
                    d.device(),
                    d.sequences(),
                    seconds > 0 ? d.tokens() / seconds : 0,
                    100.0 * d.expertTokens() / Math.max(1, experts)))
        .toList();
  }

  /** Balance of all, and what each did; nothing where there is one device. */
  public static List<String> summary(List<DeviceLoad> loads, double seconds) {
    if (loads.isEmpty()) {
      return List.of();
    }
    // each byte that left a device came to another
    long moved = loads.stream().mapToLong(DeviceLoad::bytesOut).sum();
    String all =
        String.format(
            Locale.ROOT,
            "%d devices: busiest over the mean %.2f of tokens, %.2f of the experts' work; %s moved"
                + " between them",
            loads.size(),
            DeviceLoad.imbalance(loads, DeviceLoad::tokens),
            DeviceLoad.imbalance(loads, DeviceLoad::expertTokens),
            Texts.bytes(moved));
    return Stream.concat(
            Stream.of(all),
            loads.stream()
                .map(
                    d ->
                        String.format(
                            Locale.ROOT,
                            "  %-10s %d tokens, %.1f a second; %d choices of experts; %s in, %s out",
                            d.device(),
                            d.tokens(),
                            seconds > 0 ? d.tokens() / seconds : 0,
                            d.expertTokens(),
                            Texts.bytes(d.bytesIn()),
                            Texts.bytes(d.bytesOut()))))
        .toList();
  }
}
