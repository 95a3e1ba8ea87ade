package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.batch.Batch;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.convert.ConvertOptions;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.KvCacheOptions;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.hub.HubOptions;
import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.sampling.SamplingParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** Java callers read names of Java, people flags; both of the same message. */
class FlagsTest {
  private static final List<Class<? extends Record>> RECORDS =
      List.of(
          RuntimeOptions.class,
          KvCacheOptions.class,
          Distribution.class,
          Speculation.class,
          SamplingParams.class,
          SamplingParams.Penalties.class,
          SamplingParams.Dry.class,
          GenerateRequest.class,
          ExpertBalancer.class,
          ConvertOptions.class,
          Batch.class,
          HubOptions.class);

  /** What no flag sets. */
  private static final Set<String> WITHOUT =
      Set.of(
          "RuntimeOptions.distribution",
          "RuntimeOptions.speculation",
          "RuntimeOptions.cache",
          "KvCacheOptions.pageTokens",
          "RuntimeOptions.repack",
          "RuntimeOptions.driverCache",
          "RuntimeOptions.log",
          "RuntimeOptions.notice",
          "SamplingParams.dry",
          "SamplingParams.penalties",
          "Penalties.counted",
          "GenerateRequest.sampling",
          "GenerateRequest.constraint", // a flag for each notation
          "GenerateRequest.logprobs",
          "GenerateRequest.drafts",
          "GenerateRequest.timeout",
          "HubOptions.cache",
          "HubOptions.connections",
          "HubOptions.proxy",
          "HubOptions.token",
          "ExpertBalancer.experts",
          "ExpertBalancer.groups");

  private static Set<String> components() {
    return RECORDS.stream()
        .flatMap(
            record ->
                Arrays.stream(record.getRecordComponents())
                    .map(c -> record.getSimpleName() + "." + c.getName()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void everyComponentHasAFlagOrIsKnownToHaveNone() {
    Set<String> missing = components();
    missing.removeAll(Flags.BY_COMPONENT.keySet());
    assertEquals(new TreeSet<>(WITHOUT), missing);
  }

  @Test
  void everyNameIsThatOfAComponentOrACall() {
    Set<String> unknown = new TreeSet<>(Flags.BY_COMPONENT.keySet());
    unknown.removeIf(name -> components().contains(name.replaceAll(" .*", "")));
    assertEquals(Set.of("RuntimeOptions.withRepack(false)"), unknown);
  }

  @Test
  void everyFlagIsOneOfACommands() {
    Set<String> flags = new TreeSet<>();
    for (Class<?> command : YuzuiCommand.COMMANDS) {
      String help =
          CommandRun.yuzui(command.getAnnotation(CommandLine.Command.class).name(), "--help").out();
      flags.addAll(List.of(help.split("[\\s,=\\[\\]]+")));
    }
    Set<String> unknown = new TreeSet<>();
    Flags.BY_COMPONENT.values().stream().map(f -> f.replaceAll(" .*", "")).forEach(unknown::add);
    unknown.removeAll(flags);
    assertEquals(Set.of(), unknown);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "raise RuntimeOptions.contextLength (this model: up to 64) | raise -c (this model: up to 64)",
        "Speculation.drafts MTP: m has no MTP layer; use NGRAM | --spec-type draft-mtp: m has no MTP layer; use NGRAM",
        "RuntimeOptions.withRepack(false), which is slower | --no-repack, which is slower",
        "Distribution.split EXPERT, Distribution.split | --split-mode expert, --split-mode",
        "SamplingParams.topP: expected 1 | --top-p: expected 1",
        "RuntimeOptions.fitting is no component | RuntimeOptions.fitting is no component"
      })
  void aMessageNamesFlags(String message, String expected) {
    assertEquals(expected, Flags.in(message));
  }

  /** Templates and overrides of metadata are the command line's alone; commands are to be typed. */
  @Test
  void theLibraryNamesNoFlags() throws IOException {
    Pattern flag = Pattern.compile("\"[^\"\n]*(?<![\\w-])(--[a-z]|-[a-z]\\b)[^\"\n]*\"");
    Set<String> found = new TreeSet<>();
    Path sources = Path.of(System.getProperty("yuzui.root"), "runtime/src/main/java");
    try (Stream<Path> files = Files.walk(sources)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
        flag.matcher(Files.readString(file))
            .results()
            .forEach(r -> found.add(file.getFileName() + ": " + r.group()));
      }
    }
    found.removeIf(
        line ->
            line.matches(".*--(chat-template|raw|override-kv)\\b.*|.*(yuzui experts|iconv) -.*"));
    assertEquals(Set.of(), found);
  }
}
