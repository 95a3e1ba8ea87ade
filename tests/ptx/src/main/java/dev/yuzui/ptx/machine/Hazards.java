package dev.yuzui.ptx.machine;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** What was found, once for each instruction and kind. */
final class Hazards {
  private record Key(Hazard.Kind kind, int pc) {}

  private final Map<Key, Hazard> found = new LinkedHashMap<>();

  void add(Hazard.Kind kind, Warp warp, Supplier<String> detail) {
    found.computeIfAbsent(
        new Key(kind, warp.pc),
        _ ->
            new Hazard(
                kind,
                warp.program.code().name(),
                warp.program.code().instructions().get(warp.pc).text(),
                detail.get()));
  }

  List<Hazard> all() {
    return List.copyOf(found.values());
  }
}
