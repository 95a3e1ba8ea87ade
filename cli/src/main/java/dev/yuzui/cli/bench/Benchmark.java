package dev.yuzui.cli.bench;

import dev.yuzui.engine.Engine;
import java.util.List;

/** Something to measure on an engine. */
sealed interface Benchmark permits BenchMeasurement, RateMeasurement, SpeculationMeasurement {
  /** So long a warm-up takes at least: the JVM needs it to compile what a small model runs. */
  long WARM_UP_NANOS = 1_000_000_000L;

  /** Tokens made in a round of it. */
  int WARM_UP_TOKENS = 32;

  /** A row of one of the tables; its components are the fields of the other formats. */
  sealed interface Row permits BenchRow, RateRow, SpeculationRow {
    BenchSetup setup();

    /** Cells of the table, {@link #ratio}'s left out. */
    String markdown();

    /** What backends are compared by: larger is better. */
    double merit();

    /** This backend's merit over that of the first of several; 0 where there is only one. */
    double ratio();

    /** The same with its ratio. */
    Row withRatio(double ratio);
  }

  /** A test under way on an engine. */
  interface Measurement extends AutoCloseable {
    /** Once more, timed. */
    void repeat();

    /**
     * @param earlier rows of the same engine, to compare with
     */
    Row row(List<Row> earlier);

    @Override
    void close();
  }

  /** Tokens of context that it needs. */
  int length();

  /** Times it is timed. */
  int repetitions();

  /**
   * @param warmUp run something untimed before
   */
  Measurement start(Engine engine, boolean warmUp);

  /** Runs {@code round} once or more. */
  static void warmUp(Runnable round) {
    long start = System.nanoTime();
    do {
      round.run();
    } while (System.nanoTime() - start < WARM_UP_NANOS);
  }

  /** Rows that have their columns in common. */
  enum Table {
    SPEED(
        """
        | model | size | params | backend | threads | batch | test | t/s |
        | :---- | ---: | -----: | :------ | ------: | ----: | ---: | --: |
        """,
        "Not timed: loading, tokenising, sampling, warm-up, and reading the tokens of @ d. Decoding"
            + " includes picking the best token and reading it back; the next step is given a random"
            + " one or that of --tokens."),

    ARRIVALS(
        """
        | model | size | params | backend | threads | batch | seqs | test | rate/s | requests/s | prompt t/s | output t/s | first token ms: mean, p50, p90, p99 | between tokens ms: mean, p50, p90, p99 | whole answer ms: p50, p99 | prefix hits | preempted | drafts right |
        | :---- | ---: | -----: | :------ | ------: | ----: | ---: | ---: | -----: | ---------: | ---------: | ---------: | ---: | ---: | ---: | ---: | ---: | ---: |
        """,
        "Not timed: loading and warm-up. The clock of a request starts when it arrives: waiting for"
            + " its turn counts."),

    SPECULATION(
        """
        | model | size | params | backend | threads | batch | test | accepted | plain step ms | checking step ms | drafting ms | predicted gain | plain t/s | guessing t/s | measured gain | V3 gain |
        | :---- | ---: | -----: | :------ | ------: | ----: | ---: | -------: | ------------: | ---------------: | ----------: | -------------: | --------: | -----------: | ------------: | ------: |
        """,
        "Greedy texts without guesses and with, in turn. In parentheses over a plain step. predicted"
            + " gain = (accepted guesses a step + 1) x plain / (checking + drafting). V3 gain: the"
            + " same with one guess of that acceptance and bytes for times, DeepSeek-V3 at a byte a"
            + " number, 4096 tokens of context: attention, dense and shared FFNs, head and cache"
            + " once a step, 256 x (1 - (1 - 8/256)^T) experts a layer for T tokens; a draft: the"
            + " MTP layer and the head.");

    private final String head;
    private final String note;

    Table(String head, String note) {
      this.head = head;
      this.note = note;
    }

    /**
     * Names and alignment of the columns.
     *
     * @param several whether backends are compared
     */
    String head(boolean several) {
      if (!several) {
        return head;
      }
      String[] lines = head.split("\n");
      return lines[0] + " over the first |\n" + lines[1] + " ---: |\n";
    }

    /** What to know about the numbers. */
    String note() {
      return note;
    }
  }
}
