package dev.yuzui.cli.compare;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.SPARSE;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CompareCommandTest {
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          embed:token_embd        | prompt, embedding                       | embed F32 (token_embd)
          addRmsNorm:blk.1.attn_n | prompt, layer 1, attention norm         | addRmsNorm F32 (blk.1.attn_norm)
          matmul:blk.1.attn_q_b   | prompt, layer 1, queries                | matmul F32 (blk.1.attn_q_b)
          matmul:blk.1.attn_kv_a  | prompt, layer 1, latent                 | matmul F32 (blk.1.attn_kv_a_mqa)
          mlaPrefill:blk.1        | prompt, layer 1, attention heads        | mlaPrefill F32 (blk.1.attn_v_b)
          mlaAbsorbed:blk.1       | decoding, layer 1, attention heads      | mlaAbsorbed F32 (blk.1.attn_v_b)
          matmul:blk.1.attn_out   | prompt, layer 1, attention output       | matmul F32 (blk.1.attn_output)
          gate:blk.1              | prompt, layer 1, choice of experts      | gate F32 (blk.1.ffn_gate_inp)
          expertFfn:blk.1         | prompt, layer 1, expert output          | groupedMatmul F32 (blk.1.ffn_down_exps)
          matmul:blk.1.ffn_down_s | prompt, layer 1, shared expert output   | matmul F32 (blk.1.ffn_down_shexp)
          matmul:blk.0.ffn_down   | prompt, layer 0, expert output          | matmul F32 (blk.0.ffn_down)
          matmul:^output.weight   | prompt, logits                          | matmul F32 (output)
          matmul:blk.2.nextn      | prompt, MTP layer 2, projection         | matmul F32 (blk.2.nextn.eh_proj)
          gate:blk.2              | prompt, MTP layer 2, choice of experts  | gate F32 (blk.2.ffn_gate_inp)
          replay                  | every part is right, but the logits of  | record and replay
          """)
  void aBrokenOpIsNamed(String fault, String place, String suspect) {
    CommandRun run =
        yuzui("compare", "-m", GGUF, "--backends", "reference,broken:" + fault, "--tokens", "16");
    assertEquals(ExitCode.DIFFERENT, run.exitCode(), run.out() + run.err());
    String verdict = run.lines().getLast();
    assertTrue(verdict.startsWith("broken:" + fault + ": " + place), verdict);
    assertTrue(verdict.contains(suspect), verdict);
  }

  /** DeepSeek-V3.2 that looks at 16 of what is behind it. */
  @Test
  void entriesThatSparseAttentionShouldNotLookAtAreFound() {
    String fault = "broken:select:layers.1.";
    CommandRun run = yuzui("compare", "-m", SPARSE, "--backends", "reference,cpu," + fault);
    assertEquals(ExitCode.DIFFERENT, run.exitCode(), run.out() + run.err());
    String verdict = run.lines().getLast();
    assertTrue(verdict.startsWith(fault + ": prompt, layer 1, choice of entries 0."), verdict);
    assertTrue(
        verdict.contains("2.0e-03 is allowed (the same of other layers: 0.0 at most)"), verdict);
    assertTrue(verdict.contains("rope, select"), verdict);
    assertTrue(run.out().contains("cpu: within bounds"), run.out());
    assertTrue(run.lines().stream().anyMatch(l -> l.matches(" +1 .*100.0 %.*!.*")), run.out());
  }

  /** No layer chooses rightly: nothing clears what chooses, which has no weights to be named by. */
  @Test
  void whatChoosesEntriesIsNamedWhereItIsWrongEverywhere() {
    CommandRun run =
        yuzui("compare", "-m", SPARSE, "--backends", "reference,broken:select:layers.");
    assertEquals(ExitCode.DIFFERENT, run.exitCode(), run.out() + run.err());
    assertTrue(run.lines().getLast().contains("rope, select"), run.lines().getLast());
  }

  /** Within blocks' bounds, wide as they are, a kernel that reads its blocks right is right. */
  @ParameterizedTest
  @CsvSource({
    "blk.2.ffn_gate_exps, 'prompt, layer 2, expert output', groupedMatmul Q5_0",
    "blk.1.attn_kv_a, 'prompt, layer 1, latent', matmul Q5_0",
    "^none, '', ''"
  })
  void brokenScalesOfQuantisedWeightsAreFound(String weight, String place, String suspect) {
    CommandRun run =
        yuzui(
            "compare",
            "--synthetic",
            "tiny",
            "--quant",
            "Q4_K_M",
            "--backends",
            "reference,cpu,broken:scale:" + weight,
            "--tokens",
            "16");
    String verdict = run.lines().getLast();
    assertTrue(verdict.contains(place) && verdict.contains(suspect), verdict);
    assertTrue(run.out().contains("cpu: within bounds"), run.out());
    assertEquals(place.isEmpty() ? ExitCode.DONE : ExitCode.DIFFERENT, run.exitCode(), run.err());
  }

  @Test
  void equalBackendsAreEqual() {
    CommandRun run = compare("broken:nothing", "-o", "json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode other = run.json().at("/backends/1");
    assertTrue(other.get("within_bounds").asBoolean());
    assertEquals("", other.get("verdict").asText());
    for (JsonNode part : other.get("parts")) {
      assertEquals(0, part.at("/own/relative").asDouble(), part.toString());
      assertEquals(0, part.at("/isolated/largest").asDouble(), part.toString());
      assertEquals(0, part.at("/error").asDouble(), part.toString());
    }
    for (JsonNode logits : other.get("logits")) {
      assertEquals(1, logits.get("top1_agreement").asDouble());
    }
  }

  @Test
  void theCpuIsWithinBounds() {
    CommandRun run = compare("cpu", "-o", "json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.out());
    JsonNode json = run.json();
    assertEquals("baseline", json.at("/backends/0/status").asText());
    assertEquals(16, json.at("/backends/0/prompt_tokens").asInt());
    assertEquals(2, json.at("/backends/0/decoded_tokens").asInt());
    JsonNode cpu = json.at("/backends/1");
    assertEquals("compared", cpu.get("status").asText());
    for (String phase : new String[] {"prompt", "decode"}) {
      for (String layer : new String[] {"layer 0", "layer 1", "MTP layer 2"}) {
        assertTrue(
            cpu.get("parts")
                .valueStream()
                .anyMatch(
                    p ->
                        p.get("phase").asText().equals(phase)
                            && p.get("layer").asText().equals(layer)
                            && p.get("part").asText().equals("expert_output")
                            && p.at("/isolated/relative").asDouble() > 0
                            && p.get("within_bounds").asBoolean()),
            phase + ", " + layer);
      }
    }
  }

  @Test
  void peopleReadATableOfLayersAndAVerdict() {
    CommandRun text = compare("cpu");
    assertTrue(text.lines().getFirst().startsWith("reference: what the others"), text.out());
    assertTrue(text.lines().stream().anyMatch(l -> l.matches(" +1 .*100.0 %.*")), text.out());
    assertTrue(text.lines().stream().anyMatch(l -> l.startsWith("  MTP layer 2")), text.out());
    assertTrue(text.out().contains("same best token 100.0 %"), text.out());
    assertEquals("cpu: within bounds", text.lines().getLast());
    CommandRun markdown = compare("cpu", "-o", "md");
    assertTrue(markdown.out().contains("| layer | own: attention |"), markdown.out());
  }

  @Test
  void anAbsentBackendIsNamedAndTheOthersAreCompared() {
    CommandRun run =
        yuzui(
            "compare",
            "-m",
            GGUF,
            "--backends",
            "reference,absent,cpu",
            "--tokens",
            "4",
            "-n",
            "0");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(
        run.lines().contains("absent: not usable here: there is no such device; install one"),
        run.out());
    assertEquals("cpu: within bounds", run.lines().getLast());
    CommandRun alone = yuzui("compare", "-m", GGUF, "--backends", "reference,absent");
    assertEquals(ExitCode.FAILED, alone.exitCode());
    assertTrue(alone.err().contains("absent: not usable here: there is no such"), alone.err());
  }

  @Test
  void aBackendThatFailsIsNamedAndTheOthersAreCompared() {
    CommandRun run = compare("broken:open,cpu");
    assertEquals(ExitCode.FAILED, run.exitCode(), run.out());
    assertTrue(run.out().contains("broken:open: failed: the kernels do not build"), run.out());
    assertEquals("cpu: within bounds", run.lines().getLast());
  }

  @Test
  void aTextIsReadWithTheModelsTokenizer() {
    CommandRun run = compare("cpu", "-p", "Hi", "-o", "json");
    assertEquals(3, run.json().at("/backends/0/prompt_tokens").asInt(), run.err());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --backends cpu               | --backends: expected two or more, found cpu
          --backends cpu,abacus        | found 'abacus'
          --backends reference,cpu:8   | --device: expected cpu or cpu:0 to cpu:7, found 'cpu:8'
          --tokens 257                 | --tokens: expected 1 to 256 tokens, found 257
          --tokens 5 -p x              | --tokens and a text (-p, -f): expected one of them
          -o html                      | --output: expected text, md or json, found 'html'
          --synthetic v2-lite -m x     | -m and --synthetic: expected one of them
          """)
  void whatMakesNoSenseIsRefused(String flags, String message) {
    CommandRun run = yuzui(("compare " + flags).split(" "));
    assertEquals(ExitCode.USAGE, run.exitCode(), run.out());
    assertTrue(run.err().contains(message), run.err());
  }

  private static CommandRun compare(String other, String... more) {
    List<String> args = new ArrayList<>(List.of("compare", "-m", GGUF, "-n", "2"));
    args.addAll(List.of("--backends", "reference," + other));
    args.addAll(List.of(more));
    if (!args.contains("-p")) {
      args.addAll(List.of("--tokens", "16"));
    }
    return yuzui(args.toArray(String[]::new));
  }
}
