package dev.yuzui.cli.options;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class PeerFlagsTest {
  private static final List<String> COMMANDS =
      List.of(
          "generate",
          "chat",
          "batch",
          "inspect",
          "tokenize",
          "logits",
          "perplexity",
          "bench",
          "compare",
          "experts");

  static Stream<PeerFlag> rows() {
    return PeerFlags.ALL.stream();
  }

  /** Help comes only once everything before it is understood. */
  @ParameterizedTest
  @MethodSource("rows")
  void everyCommandGrantsItOrNamesTheWayOutOrHasItItself(PeerFlag row) {
    for (String command : COMMANDS) {
      Set<String> own = options(command);
      for (String name : row.names()) {
        if (!own.contains(name)) {
          CommandRun run = yuzui(command, name, "--help");
          boolean granted =
              row.reply() instanceof PeerFlag.Reply.Granted g
                  && (g.commands().isEmpty() || g.commands().contains(command));
          assertEquals(granted ? ExitCode.DONE : ExitCode.USAGE, run.exitCode(), command + name);
          if (!granted) {
            String said = run.err().lines().findFirst().orElse("");
            assertTrue(
                said.matches(
                    "yuzui: \\Q"
                        + name
                        + "\\E is (llama\\.cpp|vLLM)'s(; here use .+"
                        + "| and has no meaning here: .+; leave it out)"),
                command + ": " + said);
            assertEquals("", run.out());
          }
        }
      }
    }
  }

  /** Names in a command's help, and those it has but does not list. */
  private static Set<String> options(String command) {
    Set<String> names = new HashSet<>();
    yuzui(command, "--help")
        .out()
        .lines()
        .map(String::strip)
        .filter(line -> line.startsWith("-"))
        .forEach(line -> names.addAll(Arrays.asList(line.split("[ ,=\\[]+"))));
    if (names.contains("--kv-cache-dtype")) {
      names.addAll(List.of("-ctk", "-ctv", "--cache-type-k", "--cache-type-v"));
    }
    return names;
  }

  @Test
  void noNameIsInTwoRows() {
    List<String> names = rows().flatMap(row -> row.names().stream()).toList();
    assertEquals(names.size(), Set.copyOf(names).size());
  }

  @Test
  void helpDoesNotListThem() {
    String help = yuzui("generate", "--help").out();
    assertFalse(help.contains("--mlock") || help.contains("--jinja"), help);
  }

  private static CommandRun generate(String... flags) {
    List<String> all =
        new ArrayList<>(List.of("generate", "-m", GGUF, "-p", "ab", "-n", "3", "--temp", "0"));
    all.addAll(List.of(flags));
    return yuzui(all.toArray(String[]::new));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-fa on",
        "-fa",
        "-fa=auto",
        "--flash-attn 1",
        "--jinja --no-warmup --mmap --log-disable --no-display-prompt --repack -kvo -st",
        "-no-cnv",
        "-np 4",
        "--parallel 2",
        "-nr",
        "-ctk f16",
        "-ctk f16 -ctv f16 --kv-cache-dtype f16",
        "-c 0",
        "--max-model-len 64",
        "-ngl auto",
        "-ngl 0",
        "--fit off",
        "-fit off"
      })
  void whatAsksForWhatHappensAnywayChangesNothing(String flags) {
    CommandRun run = generate(flags.split(" "));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(generate().out(), run.out());
    assertEquals("", run.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      textBlock =
          """
          -ngl x            | expected all, or 0 for the CPU alone, found 'x'
          -ngl -3           | expected all, or 0 for the CPU alone, found '-3'
          -ctk q4_0         | expected one of f32, f16, bf16
          -ctk f16 -ctv q8_0| -ctk, -ctv: expected one type, for the KV cache holds keys and values in one, found F16 and Q8_0
          --kv-cache-dtype f32 -ctv f16 | --kv-cache-dtype, -ctv: expected one type
          -c 8 --max-model-len 8 | -c and --max-model-len: expected one of them
          -fa off           | -fa off is llama.cpp's and has no meaning here
          -ot exps=CPU      | use --cpu-moe
          --no-mmap         | leave it out
          -tp 2             | -tp is vLLM's; here use --device
          -cnv              | use 'yuzui chat'
          -n4               | Did you mean -n 4?
          -t2               | Did you mean -t 2?
          -qq               | Unknown option: '-qq'
          -ngl 0 --backend small | -ngl 0 and small of --backend or --device
          -ngl 1 --backend small | -ngl: expected all of the model's 2 layers, or 0
          -ngl 99 --device small,cpu | -ngl 99 and cpu of --backend or --device
          """)
  void whatItCannotMeanIsRefused(String flags, String message) {
    CommandRun run = generate(flags.split(" "));
    assertAll(
        () -> assertEquals(ExitCode.USAGE, run.exitCode(), run.err()),
        () -> assertEquals("", run.out()),
        () -> assertTrue(run.err().contains(message), run.err()));
  }

  @Test
  void gpuLayersWithoutAGpuChangeNothingAndSaySo() {
    CommandRun run = generate("-ngl", "99", "--backend", "cpu");
    assertEquals("-ngl 99: changes nothing, for there is no device but the CPU\n", run.err());
    assertEquals(ExitCode.DONE, run.exitCode());
  }

  @Test
  void allLayersOnTheGpuLeaveFitTheContextAlone() {
    CommandRun shared =
        yuzui("inspect", "-m", FOLDER, "-b", "16", "--device", "small:900", "--fit", "--json");
    assertEquals(2, shared.json().at("/memory/devices").size(), shared.out());
    CommandRun all =
        yuzui(
            "inspect",
            "-m",
            FOLDER,
            "-b",
            "16",
            "--device",
            "small:900",
            "--fit",
            "--json",
            "-ngl",
            "all");
    assertEquals(1, all.json().at("/memory/devices").size(), all.out());
  }

  @Test
  void parallelIsSequencesAndEachHasItsContext() {
    CommandRun one = yuzui("inspect", "-m", GGUF, "-c", "64", "--json");
    CommandRun four = yuzui("inspect", "-m", GGUF, "-c", "64", "-np", "4", "--json");
    assertEquals(
        4 * one.json().at("/memory/cache_bytes").asLong(),
        four.json().at("/memory/cache_bytes").asLong());
  }

  @Test
  void contextZeroIsAllThatTheModelHas(@TempDir Path folder) throws IOException {
    try (Stream<Path> files = Files.list(Path.of(FOLDER))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    Path config = folder.resolve("config.json");
    Files.writeString(
        config,
        Files.readString(config).replaceFirst("(\"max_position_embeddings\": *)\\d+", "$1" + 8192));
    assertEquals(4096, context(folder));
    assertEquals(8192, context(folder, "-c", "0"));
  }

  private static int context(Path model, String... flags) {
    List<String> all = new ArrayList<>(List.of("inspect", "-m", model.toString(), "--json"));
    all.addAll(List.of(flags));
    return yuzui(all.toArray(String[]::new)).json().at("/memory/context_length").asInt();
  }

  @Test
  void minusTwoTokensFillTheContextAsMinusOneDoes() {
    CommandRun run = generate("-n", "-2", "-c", "16", "--ignore-eos", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(
        generate("-n", "-1", "-c", "16", "--ignore-eos", "--json").json().get("tokens"),
        run.json().get("tokens"));
  }
}
