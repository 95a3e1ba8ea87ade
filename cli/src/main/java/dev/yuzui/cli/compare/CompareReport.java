package dev.yuzui.cli.compare;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.compare.Agreement;
import dev.yuzui.compare.Comparison;
import dev.yuzui.compare.Deviation;
import dev.yuzui.compare.Names;
import dev.yuzui.compare.Phase;
import dev.yuzui.compare.Reading;
import dev.yuzui.compare.Trace;
import dev.yuzui.compare.Verdict;
import dev.yuzui.engine.Engine;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider.Probe;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a comparison found, as it comes in: the first backend, then the others. */
final class CompareReport {
  /** A backend of the list; its components are JSON's fields. */
  sealed interface Entry {
    String backend();
  }

  /** What the others are held to. */
  record Baseline(
      String backend,
      String status,
      String description,
      String model,
      String typeKv,
      int promptTokens,
      int decodedTokens)
      implements Entry {}

  record Absent(String backend, String status, String because, String fix) implements Entry {
    /** For people. */
    String line() {
      return BackendChoice.unusable(backend, new Probe.Unusable(because, fix));
    }
  }

  /** It ran into an error, which the others do not suffer from. */
  record Failed(String backend, String status, String because) implements Entry {
    /** For people. */
    String line() {
      return backend + ": failed: " + because;
    }
  }

  /**
   * @param verdict empty where all is within bounds
   */
  record Compared(
      String backend,
      String status,
      String description,
      boolean withinBounds,
      String verdict,
      Replayed replayed,
      List<Tokens> logits,
      List<Part> parts,
      @JsonIgnore Comparison comparison,
      @JsonIgnore int mainLayers)
      implements Entry {}

  /** A recorded step against the same ops one by one. */
  record Replayed(double bound, Deviation logits) {}

  record Tokens(String phase, String layer, double top1Agreement, double kl, double worstKl) {}

  record Part(
      String phase,
      String layer,
      String part,
      List<String> weights,
      double bound,
      double error,
      boolean withinBounds,
      Deviation own,
      Deviation isolated) {}

  private final String build;
  private final String processor;
  private final List<Entry> entries = new ArrayList<>();

  CompareReport(String build, String processor) {
    this.build = build;
    this.processor = processor;
  }

  String build() {
    return build;
  }

  String processor() {
    return processor;
  }

  List<Entry> entries() {
    return entries;
  }

  void absent(String backend, Probe.Unusable why) {
    entries.add(new Absent(backend, "absent", why.because(), why.fix()));
  }

  void failed(String backend, BackendException why) {
    entries.add(new Failed(backend, "failed", Flags.in(why.getMessage())));
  }

  void baseline(String backend, Engine engine, Trace trace) {
    entries.add(
        new Baseline(
            backend,
            "baseline",
            engine.backendDescription(),
            engine.checkpoint().path().toString(),
            engine.options().cache().encoding().label(),
            trace.tokens(Phase.PROMPT),
            trace.tokens(Phase.DECODE)));
  }

  void compared(String backend, Engine engine, Comparison comparison) {
    int layers = engine.config().layers();
    entries.add(
        new Compared(
            backend,
            "compared",
            engine.backendDescription(),
            comparison.within(),
            comparison.verdict().map(CompareReport::verdict).orElse(""),
            new Replayed(Comparison.REPLAY_BOUND, comparison.replayed()),
            comparison.agreements().stream().map(a -> tokens(a, layers)).toList(),
            comparison.readings().stream().map(r -> part(r, layers)).toList(),
            comparison,
            layers));
  }

  private static String verdict(Verdict verdict) {
    return verdict.because()
        + (verdict.suspects().isEmpty()
            ? ""
            : ": look at " + String.join(", ", verdict.suspects()));
  }

  private static Tokens tokens(Agreement a, int layers) {
    return new Tokens(
        phase(a.phase()), Names.layer(a.layer(), layers), a.top1(), a.kl(), a.worstKl());
  }

  private static Part part(Reading r, int layers) {
    return new Part(
        phase(r.place().phase()),
        Names.layer(r.place().layer(), layers),
        r.part(),
        r.weights(),
        r.bound(),
        r.error(),
        r.within(),
        r.own(),
        r.isolated());
  }

  private static String phase(Phase phase) {
    return phase.name().toLowerCase(Locale.ROOT);
  }

  boolean hasCompared() {
    return entries.stream().anyMatch(Compared.class::isInstance);
  }

  boolean within() {
    return entries.stream().allMatch(e -> !(e instanceof Compared c) || c.withinBounds());
  }

  int exitCode() {
    if (!within()) {
      return ExitCode.DIFFERENT;
    }
    return entries.stream().anyMatch(Failed.class::isInstance) ? ExitCode.FAILED : ExitCode.DONE;
  }

  /** A line for each backend that did not run. */
  String missing() {
    return entries.stream()
        .flatMap(
            e ->
                switch (e) {
                  case Absent absent -> Stream.of(absent.line());
                  case Failed failed -> Stream.of(failed.line());
                  case Baseline _, Compared _ -> Stream.<String>empty();
                })
        .collect(Collectors.joining("\n"));
  }
}
