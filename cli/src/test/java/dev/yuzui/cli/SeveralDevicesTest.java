package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What lies where, as inspect tells it before anything runs. */
class SeveralDevicesTest {
  @TempDir private Path folder;

  private static CommandRun inspect(String... args) {
    List<String> all = new ArrayList<>(List.of("inspect", "-m", FOLDER, "-b", "16"));
    all.addAll(List.of(args));
    CommandRun run = yuzui(all.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }

  private static List<Integer> of(JsonNode memory, String field) {
    return memory.get("devices").valueStream().map(d -> d.get(field).asInt()).toList();
  }

  @Test
  void layersAreSharedByDefault() {
    JsonNode memory = inspect("--device", "small,reference", "--json").json().get("memory");
    List<Integer> layers = of(memory, "layers");
    assertEquals(2, layers.size());
    assertEquals(3, layers.get(0) + layers.get(1), "2 layers and the MTP layer");
    assertTrue(memory.at("/reasons/0").asText().startsWith("layers over devices"));
  }

  @Test
  void expertParallelDevicesHaveAllLayersAndSomeExperts() {
    JsonNode memory =
        inspect("--device", "small,reference", "--enable-expert-parallel", "--json")
            .json()
            .get("memory");
    assertEquals(List.of(3, 3), of(memory, "layers"));
    List<Integer> experts = of(memory, "experts");
    assertEquals(experts.get(0), experts.get(1));
    assertTrue(of(memory, "exchange_bytes").stream().allMatch(bytes -> bytes > 0));
    String people = inspect("--device", "small,reference", "--enable-expert-parallel").out();
    assertTrue(people.contains("placed        attention on every device"), people);
    assertTrue(
        people.lines().anyMatch(l -> l.matches("  small +3 layers, \\d+ experts: .*")), people);
  }

  @Test
  void expertsOnTheCpuAddItToTheDevices() {
    JsonNode memory = inspect("--device", "small", "--cpu-moe", "--json").json().get("memory");
    assertEquals("cpu", memory.at("/devices/1/device").asText());
    assertEquals(0, of(memory, "experts").getFirst());
    assertEquals(List.of(3, 0), of(memory, "layers"));
    JsonNode budget =
        inspect("--device", "small", "--gpu-expert-budget", "200K", "--json").json().get("memory");
    assertTrue(of(budget, "experts").stream().allMatch(n -> n > 0), budget.toString());
    assertTrue(
        budget.at("/devices/0/weight_bytes").asLong()
            <= memory.at("/devices/0/weight_bytes").asLong() + 200 * 1024);
  }

  @Test
  void expertsOnTheOnlyCpuChangeNothing() {
    CommandRun run = inspect("--backend", "cpu", "--cpu-moe");
    assertEquals("--cpu-moe: changes nothing, for there is no device but the CPU\n", run.err());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--device reference,reference",
        "--device reference,reference --enable-expert-parallel --num-redundant-experts 2",
        "--device reference,reference,reference --split-mode expert",
        "--device reference,reference --gpu-expert-budget 200K",
        "--device reference --cpu-moe",
        "--device reference --n-cpu-moe 1",
        "--device reference --gpu-expert-budget 200K",
      })
  void theTextIsTheSameWhateverLiesWhere(String flags) {
    String one = generate("--device", "reference");
    assertEquals(one, generate(flags.split(" ")));
  }

  @Test
  void whatDoesNotFitOnOneDeviceFitsOverSeveralOrWithTheCpu() {
    String one = generate("--device", "reference", "-c", "512");
    for (String devices :
        List.of("small:2400", "small:1700", "small:1300,small:1299", "small:900")) {
      CommandRun run = run("--device", devices, "-c", "512", "--fit");
      assertEquals(one, run.out(), devices);
      String said = run.err().lines().findFirst().orElseThrow();
      String expected =
          switch (devices) {
            case "small:2400" -> "--fit: a context of 512 tokens";
            case "small:1300,small:1299" ->
                "--fit: layers over devices by their free memory: small";
            case "small:1700" -> "--fit: all that is dense and ";
            default -> "--fit: layers over devices by their free memory: " + devices + " none, cpu";
          };
      assertTrue(said.startsWith(expected), devices + ": " + said);
    }
  }

  private static String generate(String... flags) {
    return run(flags).out();
  }

  private static CommandRun run(String... flags) {
    List<String> all =
        new ArrayList<>(
            List.of("generate", "-m", FOLDER, "-b", "16", "-p", "ab", "--raw", "-n", "12"));
    all.addAll(List.of("--temp", "0", "--ignore-eos", "--kv-cache-dtype", "f32", "--no-repack"));
    all.addAll(List.of(flags));
    CommandRun run = yuzui(all.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }

  @Test
  void countsThatExpertsKeepsAreWhatPlacementsTake() {
    String loads = folder.resolve("loads.json").toString();
    CommandRun counted =
        yuzui(
            "experts",
            "-m",
            FOLDER,
            "--backend",
            "reference",
            "-p",
            "abcdefgh",
            "--loads",
            loads,
            "--devices",
            "2",
            "--num-redundant-experts",
            "2");
    assertEquals(ExitCode.DONE, counted.exitCode(), counted.err());
    assertTrue(counted.out().matches("(?s).*in order +\\d.*balanced +\\d.*"), counted.out());
    JsonNode memory =
        inspect(
                "--device",
                "small,reference",
                "--enable-expert-parallel",
                "--num-redundant-experts",
                "2",
                "--expert-loads",
                loads,
                "--json")
            .json()
            .get("memory");
    String reason = memory.at("/reasons/0").asText();
    assertTrue(reason.contains("placed as counted: busiest device over the mean"), reason);
    CommandRun other =
        yuzui(
            "inspect",
            "-m",
            CommandRun.GGUF,
            "--device",
            "small,reference",
            "--enable-expert-parallel",
            "--expert-loads",
            loads);
    assertEquals(ExitCode.USAGE, other.exitCode());
    assertTrue(other.err().contains("the loads are of another model"), other.err());
  }
}
