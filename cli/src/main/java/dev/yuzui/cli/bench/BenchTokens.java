package dev.yuzui.cli.bench;

import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Texts;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * The tokens that sequences are given, read and made alike, whatever the model would say: a random
 * model's own words soon go round in circles, whose experts the processor's cache then holds.
 */
sealed interface BenchTokens {
  /** As llama-bench does; every repetition has others. */
  BenchTokens RANDOM = new Drawn();

  /**
   * @param source of random tokens
   * @return of {@code sequences}, {@code length} each
   */
  int[][] of(SplittableRandom source, int vocabulary, int sequences, int length);

  /** Random tokens of the vocabulary. */
  record Drawn() implements BenchTokens {
    @Override
    public int[][] of(SplittableRandom source, int vocabulary, int sequences, int length) {
      int[][] tokens = new int[sequences][];
      Arrays.setAll(tokens, _ -> source.ints(length, 0, vocabulary).toArray());
      return tokens;
    }
  }

  /** Those of {@code --tokens}: the first sequence has the first, the next those behind them. */
  record Listed(String file, int[] ids) implements BenchTokens {
    static Listed read(Context context, String file) {
      String text = Input.read(context, "--tokens", file);
      Optional<int[]> ids = Ranges.TokenIds.parse(text);
      return new Listed(
          file,
          ids.orElseThrow(
              () ->
                  UsageException.ofFlag(
                      "--tokens " + file, "token ids such as 1 2 3", Texts.shorten(text.strip()))));
    }

    @Override
    public int[][] of(SplittableRandom source, int vocabulary, int sequences, int length) {
      if ((long) sequences * length > ids.length) {
        throw UsageException.ofFlag(
            "--tokens " + file,
            (long) sequences * length + " token ids for " + sequences + " x " + length,
            "" + ids.length);
      }
      int largest = Arrays.stream(ids).max().orElse(0);
      if (largest >= vocabulary) {
        throw UsageException.ofFlag(
            "--tokens " + file, "ids below " + vocabulary + ", the vocabulary", "" + largest);
      }
      int[][] tokens = new int[sequences][];
      Arrays.setAll(tokens, i -> Arrays.copyOfRange(ids, i * length, (i + 1) * length));
      return tokens;
    }

    /** Its name and length. */
    @Override
    public String toString() {
      return file + ": " + ids.length + " ids";
    }
  }
}
