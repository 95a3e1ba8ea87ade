package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.io.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device that is lost amid a benchmark takes nothing along that was measured before. */
class BenchReportTest {
  private static final BenchSetup SETUP =
      new BenchSetup("1", "a CPU", "cpu", "", "cpu", "model.gguf", "model Q8_0", 1, 1, 1, 1, "F16");
  private static final BenchRow ROW =
      new BenchRow(
          SETUP,
          4,
          0,
          0,
          false,
          1,
          "now",
          1,
          0,
          2,
          0,
          List.of(1L),
          List.of(2.0),
          0,
          0,
          0,
          BenchRow.BytesPerStep.NONE);

  @Test
  void whatWasMeasuredBeforeAFailureIsAWholeArray() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Out out = new Out(bytes);
    BenchReport report = new BenchReport.JsonArray(out);
    report.row(ROW);
    report.row(ROW);
    report.endEarly();
    out.flush();
    JsonNode rows = Json.mapper().readTree(bytes.toByteArray());
    assertEquals(2, rows.size());
    assertEquals(4, rows.at("/1/n_prompt").asInt());
  }

  @ParameterizedTest
  @ValueSource(strings = {"json", "html", "csv", "jsonl", "md"})
  void aFailureBeforeTheFirstRowWritesNothing(String format) {
    CommandRun run =
        yuzui(
            "bench",
            "-m",
            GGUF,
            "--backend",
            "broken:lost",
            "-p",
            "4",
            "-n",
            "0",
            "-r",
            "1",
            "-o",
            format);
    assertEquals(ExitCode.FAILED, run.exitCode(), run.err());
    assertEquals("", run.out());
    assertTrue(run.err().contains("the device was lost"), run.err());
  }
}
