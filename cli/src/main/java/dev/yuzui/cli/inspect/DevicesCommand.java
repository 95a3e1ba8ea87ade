package dev.yuzui.cli.inspect;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BackendProvider.Probe;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "devices",
    description = "Lists the backends: their device and free memory, or why not and the fix.",
    footer = {"", "Example: yuzui devices"})
public final class DevicesCommand implements Callable<Integer> {
  private final Context context;

  @Option(names = "--json", description = "Print a JSON array.")
  private boolean json;

  public DevicesCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    List<BackendProvider> backends = Backends.all();
    if (json) {
      context
          .out()
          .println(
              Json.pretty(
                  backends.stream()
                      .flatMap(b -> b.probeAll().stream().map(probe -> row(b, probe)))
                      .toList()));
    } else {
      backends.forEach(b -> b.probeAll().forEach(probe -> context.out().println(line(b, probe))));
    }
    return ExitCode.DONE;
  }

  private static Map<String, Object> row(BackendProvider backend, Probe probe) {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("backend", backend.name());
    switch (probe) {
      case Probe.Usable(String device, long bytes) -> {
        row.put("usable", true);
        row.put("device", device);
        row.put("free_bytes", bytes);
      }
      case Probe.Unusable(String because, String fix) -> {
        row.put("usable", false);
        row.put("because", because);
        row.put("fix", fix);
      }
    }
    return row;
  }

  private static String line(BackendProvider backend, Probe probe) {
    String what =
        switch (probe) {
          case Probe.Usable(String device, long bytes) ->
              device + ", " + Texts.bytes(bytes) + " free";
          case Probe.Unusable(String because, String fix) -> "not usable: " + because + "; " + fix;
        };
    return String.format("%-10s %s", backend.name(), what);
  }
}
