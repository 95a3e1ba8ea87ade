package dev.yuzui.compare;

import dev.yuzui.engine.Engine;
import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.AttentionConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A backend against the trace of another.
 *
 * @param readings in order of computation, the prompt's first
 * @param agreements of the own run's logits
 * @param replayed the logits of the prompt as a recorded step gives them, against those of the own
 *     run op by op; the same backend's both
 * @param verdict what is broken, if anything is
 */
public record Comparison(
    List<Reading> readings,
    List<Agreement> agreements,
    Deviation replayed,
    Optional<Verdict> verdict) {

  /** Of {@link #replayed}: the same ops on the same numbers, in whatever order they are summed. */
  public static final double REPLAY_BOUND = Bounds.BLOCKS;

  /** Runs the trace's steps twice on the engine's backend, op by op, and the prompt once more. */
  public static Comparison of(Engine engine, Trace trace) {
    Optional<IndexScores> scores =
        engine.config().attention() instanceof AttentionConfig.Latent latent
            ? latent.indexer().map(_ -> new IndexScores(trace, engine.checkpoint()))
            : Optional.empty();
    Pass own = new Pass(trace, Optional.empty(), false);
    Replay replay = new Replay(engine, trace);
    trace.follow(engine, step -> replay.noting(step, own.observer(step)));
    Deviation replayed = replay.measure();
    Pass isolated = new Pass(trace, scores, true);
    trace.follow(engine, isolated::observer);

    Encoding cache = engine.options().cache().encoding();
    Map<Place, List<Weighed>> weights = new LinkedHashMap<>();
    List<Reading> readings = new ArrayList<>();
    isolated.sums.forEach(
        (place, sum) -> {
          List<Weighed> used = Weighed.at(engine.checkpoint(), place);
          weights.put(place, used);
          readings.add(
              new Reading(
                  place,
                  used.stream().map(Weighed::text).toList(),
                  Bounds.of(place.point(), used, cache, sum.choices()),
                  own.sums.get(place).total(),
                  sum.total()));
        });
    List<Agreement> agreements = new ArrayList<>();
    own.agreements.forEach((place, sum) -> agreements.add(sum.total(place.phase(), place.layer())));
    return new Comparison(
        List.copyOf(readings),
        List.copyOf(agreements),
        replayed,
        Verdict.of(readings, weights, engine.config().layers())
            .or(() -> Verdict.ofReplay(replayed, REPLAY_BOUND)));
  }

  public boolean within() {
    return verdict.isEmpty();
  }

  /** A row for each layer of a phase. */
  public List<LayerSummary> layers(Phase phase) {
    return readings.stream()
        .filter(r -> r.place().phase() == phase)
        .mapToInt(r -> r.place().layer())
        .distinct()
        .sorted()
        .mapToObj(layer -> LayerSummary.of(layer, in(phase, layer)))
        .toList();
  }

  /** The logits of a phase and layer. */
  public Optional<Reading> logits(Phase phase, int layer) {
    return in(phase, layer).stream().filter(r -> r.place().point() == Point.LOGITS).findFirst();
  }

  private List<Reading> in(Phase phase, int layer) {
    return readings.stream()
        .filter(r -> r.place().phase() == phase && r.place().layer() == layer)
        .toList();
  }
}
