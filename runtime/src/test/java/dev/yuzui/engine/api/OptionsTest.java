package dev.yuzui.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A value that means nothing is refused where it is given, by the name it has in Java. */
class OptionsTest {
  private static final RuntimeOptions OPTIONS = RuntimeOptions.of(Path.of("model.gguf"));
  private static final GenerateRequest REQUEST = GenerateRequest.of(1);

  @Test
  void aStepHasATokenForEachSequenceUnlessOthersAreAskedFor() {
    BackendProvider provider = new ReferenceProvider();
    int suits = provider.promptTokens();
    assertEquals(suits, OPTIONS.withMaxSequences(suits).batchTokens(provider));
    assertEquals(suits + 1, OPTIONS.withMaxSequences(suits + 1).batchTokens(provider));
    assertEquals(2048, OPTIONS.withMaxSequences(10_000).batchTokens(provider));
    assertEquals(16, OPTIONS.withMaxSequences(100).withBatchTokens(16).batchTokens(provider));
  }

  private static Arguments wrong(String message, Executable call) {
    return Arguments.of(message, call);
  }

  static Stream<Arguments> wrong() {
    return Stream.of(
        wrong(
            "RuntimeOptions.threads: expected 0 or more, found -3", () -> OPTIONS.withThreads(-3)),
        wrong(
            "RuntimeOptions.contextLength: expected 0 or more, found -5",
            () -> OPTIONS.withContextLength(-5)),
        wrong(
            "RuntimeOptions.batchTokens: expected 0 or more, found -1",
            () -> OPTIONS.withBatchTokens(-1)),
        wrong(
            "RuntimeOptions.maxSequences: expected 1 or more, found 0",
            () -> OPTIONS.withMaxSequences(0)),
        wrong(
            "KvCacheOptions.pageTokens: expected 1 or more, found 0",
            () -> OPTIONS.withPageTokens(0)),
        wrong(
            "KvCacheOptions.pages: expected 0 or more, found -1", () -> OPTIONS.withCachePages(-1)),
        wrong(
            "KvCacheOptions.encoding: expected one of [F32, F16, BF16, E4M3, Q8_0], found Q4_0",
            () -> OPTIONS.withCacheEncoding(Encoding.byLabel("Q4_0").orElseThrow())),
        wrong(
            "Distribution.redundantExperts: expected 0 or more, found -1",
            () -> Distribution.ANY.withRedundantExperts(-1)),
        wrong(
            "Distribution.cpuExpertLayers: expected 0 or more, found -1",
            () -> Distribution.ANY.withCpuExpertLayers(-1)),
        wrong(
            "Distribution.expertBudget: expected 0 or more, found -1",
            () -> Distribution.ANY.withExpertBudget(-1)),
        wrong(
            "Distribution.rebalanceSteps: expected 0 or more, found -1",
            () -> Distribution.ANY.withRebalanceSteps(-1)),
        wrong(
            "Distribution.expertParallel: expected neither Distribution.cpuExpertLayers nor"
                + " Distribution.expertBudget beside it, for it lays routed experts over all"
                + " devices, found both",
            () -> Distribution.ANY.withExpertParallel().withCpuExpertLayers(1)),
        wrong(
            "Speculation.mostDrafts: expected 1 to 63, found 0",
            () -> new Speculation(Drafts.NGRAM, 0, 0)),
        wrong(
            "Speculation.mostDrafts: expected 1 to 63, found 64",
            () -> new Speculation(Drafts.MTP, 64, 0)),
        wrong(
            "Speculation.leastProbable: expected 0 to 1, found NaN",
            () -> new Speculation(Drafts.MTP, 1, Double.NaN)),
        wrong(
            "Speculation.vocabulary: expected 1 or more, found 0",
            () -> new Speculation(Drafts.MTP, 1, 0, OptionalInt.of(0))),
        wrong(
            "GenerateRequest.prompt: expected one token or more, found none",
            () -> GenerateRequest.of(List.of())),
        wrong(
            "GenerateRequest.maxTokens: expected a count, or -1 for all, found -7",
            () -> REQUEST.withMaxTokens(-7)),
        wrong(
            "GenerateRequest.stop: expected texts that can occur, found an empty one",
            () -> REQUEST.withStop(List.of("\n", ""))),
        wrong(
            "GenerateRequest.timeout: expected more than none, found PT0S",
            () -> REQUEST.withTimeout(Duration.ZERO)));
  }

  @ParameterizedTest
  @MethodSource("wrong")
  void whatMeansNothingIsRefused(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
  }

  @Test
  void whatIsTakenDoesNotChangeLater() {
    List<String> devices = new ArrayList<>(List.of("cpu"));
    RuntimeOptions options =
        new RuntimeOptions(
            OPTIONS.model(),
            OPTIONS.metadata(),
            OPTIONS.backend(),
            devices,
            OPTIONS.distribution(),
            0,
            0,
            false,
            0,
            1,
            OPTIONS.cache(),
            true,
            false,
            true,
            OPTIONS.driverCache(),
            OPTIONS.repackCache(),
            OPTIONS.speculation(),
            OPTIONS.log(),
            OPTIONS.notice());
    devices.clear();
    assertEquals(List.of("cpu"), options.devices());
  }
}
