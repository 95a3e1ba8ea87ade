package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
