package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.yuzui.batch.Batch;
import dev.yuzui.engine.api.Constraint;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.KvCacheOptions;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.hub.HubOptions;
import dev.yuzui.hub.HubSite;
import dev.yuzui.hub.HubToken;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import dev.yuzui.text.RenderOptions;
import dev.yuzui.weights.MetadataOverrides;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every {@code with…} of an options record changes the component it is named after, and no other.
 */
class OptionsRecordsTest {
  private static final List<Record> RECORDS =
      List.of(
          RuntimeOptions.of(Path.of("model.gguf")),
          Distribution.ANY,
          SamplingParams.DEFAULT,
          GenerateRequest.of(1, 2),
          RenderOptions.ANSWER,
          Batch.of(Path.of("in"), Path.of("out")),
          HubOptions.of(HubSite.HUGGING_FACE, Path.of("cache")));

  /** Where it is named for people and the component is a group, or a plural. */
  private static final Map<String, String> COMPONENTS =
      Map.of(
          "withCacheEncoding", "cache",
          "withCachePages", "cache",
          "withPageTokens", "cache",
          "withCounted", "penalties",
          "withGrammar", "constraint",
          "withDevice", "devices");

  /** What a request says about its template is more than a component's value. */
  private static final Set<String> MORE = Set.of("withKwargs");

  static Stream<Method> withers() {
    return RECORDS.stream()
        .flatMap(record -> Arrays.stream(record.getClass().getDeclaredMethods()))
        .filter(method -> method.getName().startsWith("with"))
        .filter(method -> !MORE.contains(method.getName()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("withers")
  void changesItsOwnComponent(Method wither) throws ReflectiveOperationException {
    Record before =
        RECORDS.stream()
            .filter(r -> r.getClass().equals(wither.getDeclaringClass()))
            .findFirst()
            .orElseThrow();
    String name = wither.getName().substring("with".length());
    String own =
        COMPONENTS.getOrDefault(
            wither.getName(), Character.toLowerCase(name.charAt(0)) + name.substring(1));
    Object current =
        Arrays.stream(before.getClass().getRecordComponents())
            .filter(component -> component.getName().equals(own))
            .findFirst()
            .orElseThrow()
            .getAccessor()
            .invoke(before);
    Object[] arguments =
        Arrays.stream(wither.getParameterTypes()).map(type -> other(type, current)).toArray();
    Object after = wither.invoke(before, arguments);
    for (RecordComponent component : before.getClass().getRecordComponents()) {
      Object was = component.getAccessor().invoke(before);
      Object is = component.getAccessor().invoke(after);
      if (component.getName().equals(own)) {
        assertNotEquals(was, is, own);
      } else {
        assertEquals(was, is, component.getName());
      }
    }
  }

  /** A value that none of the records has at first. */
  private static Object other(Class<?> type, Object current) {
    if (type.equals(boolean.class)) {
      return !current.equals(Optional.of(true)) && !current.equals(true);
    }
    Map<Class<?>, Object> values =
        Map.ofEntries(
            Map.entry(int.class, 3),
            Map.entry(long.class, 5L),
            Map.entry(double.class, 0.375),
            Map.entry(String.class, "cpu"),
            Map.entry(Path.class, Path.of("other")),
            Map.entry(URI.class, URI.create("https://hub.example")),
            Map.entry(HubToken.class, HubToken.of("secret", "a test")),
            Map.entry(InetSocketAddress.class, InetSocketAddress.createUnresolved("127.0.0.1", 9)),
            Map.entry(Duration.class, Duration.ofSeconds(7)),
            Map.entry(List.class, List.of("other")),
            Map.entry(Map.class, Map.of(4, 1f)),
            Map.entry(Encoding.class, Encoding.BF16),
            Map.entry(Distribution.class, Distribution.LAYERS),
            Map.entry(Distribution.Split.class, Distribution.Split.EXPERT),
            Map.entry(KvCacheOptions.class, new KvCacheOptions(Encoding.F32, 32, 9)),
            Map.entry(MetadataOverrides.class, MetadataOverrides.parse(List.of("a=int:1"))),
            Map.entry(Speculation.class, new Speculation(Speculation.Drafts.NGRAM, 4, 0)),
            Map.entry(SamplingParams.class, SamplingParams.GREEDY),
            Map.entry(
                SamplingParams.Penalties.class,
                new SamplingParams.Penalties(1.5, 8, 1, 2, SamplingParams.Counted.GENERATED)),
            Map.entry(SamplingParams.Counted.class, SamplingParams.Counted.GENERATED),
            Map.entry(SamplingParams.Dry.class, new SamplingParams.Dry(1, 2, 3, 4, Set.of(5))),
            Map.entry(GrammarSource.class, new GrammarSource.Pattern("a*")),
            Map.entry(Constraint.class, Constraint.of(new GrammarSource.Pattern("a*"))),
            Map.entry(Consumer.class, (Consumer<Object>) _ -> {}));
    return values.get(type);
  }
}
