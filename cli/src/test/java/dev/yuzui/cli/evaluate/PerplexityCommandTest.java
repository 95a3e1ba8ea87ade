package dev.yuzui.cli.evaluate;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerplexityCommandTest {
  @TempDir private Path folder;

  /** Two chunks of four of nine letters, scored here from the logits command's rows. */
  @Test
  void eachChunkIsReadAloneBehindBosAndAllItsTokensAreScored() throws IOException {
    double nll = chunk("abcd") + chunk("efgh");
    CommandRun run =
        withInput("abcdefghi", "perplexity", "-m", FOLDER, "-f", "-", "--chunk", "4", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode json = run.json();
    assertEquals(8, json.get("tokens").asInt());
    assertEquals(2, json.get("chunks").asInt());
    assertEquals(Math.exp(nll / 8), json.get("perplexity").asDouble(), 1e-3 * Math.exp(nll / 8));
    assertEquals(nll / 8, json.get("nll").asDouble(), 1e-3);
    assertTrue(json.get("standard_error").asDouble() > 0);
  }

  @Test
  void chunksLimitsTheWorkAndPeopleGetOneLine() {
    CommandRun run =
        withInput(
            "abcdefgh", "perplexity", "-m", FOLDER, "-f", "-", "--chunk", "4", "--chunks", "1");
    assertTrue(
        run.out()
            .matches("perplexity [\\d.]+ ± [\\d.]+ \\(4 tokens in 1 chunks, .* nats a token\\)\n"),
        run.out());
    assertTrue(run.err().contains("chunk 1 of 1"), run.err());
  }

  @Test
  void aTextShorterThanOneChunkIsRefused() {
    CommandRun run = withInput("abc", "perplexity", "-m", FOLDER, "-f", "-", "--chunk", "4");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("at least one chunk of 4 tokens, found 3"), run.err());
  }

  @Test
  void uniformLogitsCostTheLogarithmOfTheVocabulary() {
    assertEquals(Math.log(50), PerplexityCommand.negativeLogLikelihood(new float[50], 7), 1e-12);
  }

  @Test
  void theStandardErrorIsThatOfTheMeanTimesThePerplexity() {
    var scores = new PerplexityCommand.Scores();
    for (double x : new double[] {1, 2, 3, 4}) {
      scores.add(x);
    }
    PerplexityCommand.Result result = scores.result(1);
    assertEquals(Math.exp(2.5), result.perplexity(), 1e-12);
    assertEquals(Math.exp(2.5) * Math.sqrt(5.0 / 3 / 4), result.standardError(), 1e-12);
  }

  private double chunk(String text) throws IOException {
    Path file = folder.resolve(text);
    StringBuilder tokens = new StringBuilder("256");
    text.substring(0, text.length() - 1).chars().forEach(c -> tokens.append(',').append(c));
    yuzui("logits", "-m", FOLDER, "--tokens", tokens.toString(), "--out", file.toString());
    FloatBuffer rows =
        ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    int vocabulary = rows.remaining() / text.length();
    double nll = 0;
    for (int i = 0; i < text.length(); i++) {
      double sum = 0;
      for (int v = 0; v < vocabulary; v++) {
        sum += Math.exp(rows.get(i * vocabulary + v));
      }
      nll += Math.log(sum) - rows.get(i * vocabulary + text.charAt(i));
    }
    return nll;
  }
}
