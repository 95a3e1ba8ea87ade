package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.names;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** {@code bench --rate}: requests that arrive at random. */
class BenchRateTest {
  private static final Path DEMO = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");

  @Test
  void gapsBetweenArrivalsAreExponential() {
    int n = 100_001;
    long[] at = RateMeasurement.arrivals(4, n, new SplittableRandom(5));
    assertEquals(0, at[0]);
    double[] gaps = new double[n - 1];
    for (int i = 0; i < gaps.length; i++) {
      gaps[i] = (at[i + 1] - at[i]) * 1e-9;
      assertTrue(gaps[i] >= 0);
    }
    double mean = Arrays.stream(gaps).average().orElseThrow();
    double variance = Arrays.stream(gaps).map(g -> (g - mean) * (g - mean)).average().orElseThrow();
    // standard errors of the three: 0.0008, 0.0006, 0.0015
    assertEquals(1.0 / 4, mean, 0.004);
    assertEquals(1.0 / 16, variance, 0.003);
    double longer = Arrays.stream(gaps).filter(g -> g > 0.25).count() / (double) gaps.length;
    assertEquals(Math.exp(-1), longer, 0.008);
    assertArrayEquals(at, RateMeasurement.arrivals(4, n, new SplittableRandom(5)));
  }

  @Test
  void arrivalsOfTwiceTheRateComeInHalfTheTime() {
    long[] slow = RateMeasurement.arrivals(1, 50, new SplittableRandom(1));
    long[] quick = RateMeasurement.arrivals(2, 50, new SplittableRandom(1));
    for (int i = 0; i < slow.length; i++) {
      assertEquals(slow[i] / 2.0, quick[i], 1);
    }
  }

  @Test
  void percentilesLieOnTheLineBetweenNeighbours() {
    long[] hundredAndOne = LongStream.rangeClosed(0, 100).map(i -> (100 - i) * 1_000_000).toArray();
    assertEquals(new Latencies(50, 50, 90, 99), Latencies.ofNanos(hundredAndOne));
    Latencies two = Latencies.ofNanos(3_000_000, 1_000_000);
    assertEquals(2, two.mean());
    assertEquals(2, two.p50());
    assertEquals(2.8, two.p90(), 1e-12);
    assertEquals(2.98, two.p99(), 1e-12);
    assertEquals(new Latencies(7, 7, 7, 7), Latencies.ofNanos(7_000_000));
    assertEquals(new Latencies(0, 0, 0, 0), Latencies.ofNanos());
  }

  @Test
  void everyRateAnswersAllRequestsAndCountsTheirTokens() {
    JsonNode rows =
        rate("1000,2000", "--num-prompts", "6", "-p", "20", "-n", "5", "-o", "json").json();
    assertEquals(2, rows.size());
    assertEquals(2000, rows.get(1).get("request_rate").asDouble());
    for (JsonNode row : rows) {
      assertEquals(6, row.get("num_prompts").asInt());
      assertEquals(8, row.get("max_num_seqs").asInt());
      assertEquals(6 * 20, row.get("total_input_tokens").asInt());
      assertEquals(6 * 5, row.get("total_output_tokens").asInt());
      assertEquals(0, row.get("prefix_hits").asInt(), "prompts have nothing in common");
      assertEquals(0, row.get("drafts").asInt());
      double duration = row.get("duration").asDouble();
      assertEquals(6 / duration, row.get("request_throughput").asDouble(), 1e-6 / duration);
      assertEquals(30 / duration, row.get("output_throughput").asDouble(), 1e-6 / duration);
      assertOrdered(row, "ttft_ms");
      assertOrdered(row, "itl_ms");
      assertOrdered(row, "e2el_ms");
      assertTrue(row.get("p50_ttft_ms").asDouble() <= row.get("p50_e2el_ms").asDouble());
      assertTrue(row.get("p99_e2el_ms").asDouble() <= 1e3 * duration, row.toString());
    }
  }

  private static void assertOrdered(JsonNode row, String of) {
    double p50 = row.get("p50_" + of).asDouble();
    double p90 = row.get("p90_" + of).asDouble();
    double p99 = row.get("p99_" + of).asDouble();
    assertTrue(p50 > 0 && p50 <= p90 && p90 <= p99, of + " in " + row);
    assertTrue(row.get("mean_" + of).asDouble() > 0, of + " in " + row);
  }

  @Test
  void aSharedPrefixIsFoundInTheCache() {
    String[] shared = {"--shared-prefix", "140", "-p", "150", "-n", "2"};
    JsonNode row =
        rate("1000", with(shared, "--num-prompts", "5", "--max-num-seqs", "1", "-o", "json"))
            .json()
            .get(0);
    // one after the other: all but the first find two whole pages of 64 tokens
    assertEquals(4 * 128, row.get("prefix_hits").asInt(), row.toString());
    assertEquals(5 * 150, row.get("prefix_queries").asInt(), row.toString());
    assertEquals(4 * 128 / (5 * 150.0), row.get("prefix_hit_rate").asDouble(), 1e-12);
  }

  @Test
  void sequencesThatHaveToGiveWayAreCounted() {
    String[] many = {"-p", "60", "-n", "100", "--num-prompts", "4"};
    JsonNode row = rate("100000", with(many, "--cache-pages", "5", "-o", "json")).json().get(0);
    assertTrue(row.get("preemptions").asInt() > 0, row.toString());
    assertEquals(400, row.get("total_output_tokens").asInt());
  }

  @Test
  void theDemoModelsGuessesAreCounted() {
    Assumptions.assumeTrue(Files.isRegularFile(DEMO), "no seeds/demo.gguf");
    // one at a time: whether several sequences guess depends on what their steps have cost
    String[] guessing = {"--num-prompts", "4", "-p", "16", "-n", "24", "--max-num-seqs", "1"};
    String[] args = with(guessing, "--spec-type", "draft-mtp", "-o", "json");
    JsonNode row = bench(DEMO.toString(), "500", args).json().get(0);
    assertEquals(4 * 24, row.get("total_output_tokens").asInt());
    int tried = row.get("draft_tokens").asInt();
    int right = row.get("accepted_tokens").asInt();
    assertTrue(tried > 0 && right > 0 && right <= tried, row.toString());
    assertEquals((double) right / tried, row.get("acceptance_rate").asDouble());
  }

  @Test
  void theTableSaysWhenTheClockStarts() {
    String[] args = {"--num-prompts", "3", "-p", "8", "-n", "4", "--shared-prefix", "2"};
    CommandRun run = rate("500", args);
    String columns = run.lines().getFirst();
    assertTrue(columns.contains("| first token ms: mean, p50, p90, p99 |"), columns);
    String row = run.lines().get(2);
    assertTrue(row.contains("| 8 | 3 x pp8(2 shared)+tg4 | 500.0 |"), row);
    assertEquals(columns.split("\\|").length, row.split("\\|").length);
    assertTrue(run.out().contains("clock of a request starts when it arrives"), run.out());
  }

  @Test
  void csvHasAColumnForEachNumber() {
    CommandRun run = rate("500", "--num-prompts", "2", "-p", "8", "-n", "3", "-o", "csv");
    assertEquals(2, run.lines().size());
    List<String> columns = List.of(run.lines().getFirst().split(","));
    assertTrue(columns.containsAll(List.of("build", "p90_ttft_ms", "mean_itl_ms", "p99_e2el_ms")));
    JsonNode json = rate("500", "--num-prompts", "2", "-p", "8", "-n", "3", "-o", "jsonl").json();
    assertEquals(columns, names(json));
  }

  private static String[] with(String[] some, String... more) {
    return Stream.concat(Arrays.stream(some), Arrays.stream(more)).toArray(String[]::new);
  }

  private static CommandRun rate(String rates, String... more) {
    return bench(FOLDER, rates, with(more, "--no-warmup"));
  }

  private static CommandRun bench(String model, String rates, String... more) {
    CommandRun run = yuzui(with(new String[] {"bench", "-m", model, "--rate", rates}, more));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }
}
