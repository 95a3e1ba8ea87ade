package dev.yuzui.kit;

import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.Arguments;

/**
 * A suite: one rig per backend and class, none where a class's source of backends is empty. The
 * classes that extend one name their backends, such as
 * {@code @MethodSource("dev.yuzui.kit.BackendsUnderTest#all")}.
 */
@ParameterizedClass(name = "{0}", allowZeroInvocations = true)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class Conformance {
  @Parameter protected BackendProvider provider;

  protected Rig rig;

  @BeforeParameterizedClassInvocation
  void openRig() {
    rig = Rig.open(provider);
  }

  static Encoding encoding(String label) {
    return Encoding.byLabel(label)
        .orElseThrow(() -> new IllegalArgumentException("no encoding is called " + label));
  }

  /** The encodings in which the backend says it keeps caches. */
  List<Encoding> caches() {
    return Encoding.caches().stream()
        .filter(rig.backend().capabilities().caches()::contains)
        .toList();
  }

  /**
   * The cases that the backend can run: each is a line of values, the first of which is the label
   * of a cache's encoding.
   */
  Stream<Arguments> ofItsCaches(String... cases) {
    List<String> labels = caches().stream().map(Encoding::label).toList();
    return Stream.of(cases)
        .map(line -> line.split(",\\s*"))
        .filter(values -> labels.contains(encoding(values[0]).label()))
        .map(values -> Arguments.of((Object[]) values));
  }

  /** The steps of attention with each encoding of the cache in turn. */
  Stream<Arguments> stepsAndCaches() {
    return AttentionConformance.steps()
        .flatMap(
            a ->
                caches().stream()
                    .map(Encoding::label)
                    .map(
                        e ->
                            Arguments.of(
                                a.get()[0], e, a.get()[1], a.get()[2], a.get()[3], a.get()[4])));
  }

  /** A cache for two variants of a step, of as many pages as the longest sequences need. */
  static CachedEntries entries(
      int width,
      String encoding,
      int page,
      int tokens,
      List<Steps.Span> first,
      List<Steps.Span> second) {
    int longest =
        Stream.concat(first.stream(), second.stream())
            .mapToInt(s -> s.start() + s.count())
            .max()
            .orElseThrow();
    int pool = first.size() * Math.max(1, Math.ceilDiv(longest, page));
    Steps.Step a = Steps.step(tokens, page, pool, 1, first);
    Steps.Step c = Steps.step(tokens, page, pool, 2, second);
    return new CachedEntries(width, encoding(encoding), Steps.of(page, a, c), a, c, pool);
  }

  @AfterParameterizedClassInvocation
  void closeRig() {
    if (rig != null) { // an unusable backend never had one
      Rig closing = rig;
      rig = null; // one object serves every backend in turn
      closing.close();
    }
  }
}
