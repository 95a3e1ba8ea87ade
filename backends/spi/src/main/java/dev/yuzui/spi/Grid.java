package dev.yuzui.spi;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The runs of numbers that indices of the IQ1, IQ2 and IQ3 formats stand for. ggml found them by a
 * search, they follow no rule; they are read from native-kernels/common/grids.h, which the kernels
 * of every language include and which says how they lie there.
 */
public enum Grid {
  /** Of IQ1_S and IQ1_M. */
  IQ1(8, 2, -1, 0, 1),
  IQ2_XXS(8, 2, 8, 25, 43),
  IQ2_XS(8, 2, 8, 25, 43),
  IQ2_S(8, 2, 8, 25, 43),
  IQ3_XXS(4, 3, 4, 12, 20, 28, 36, 44, 52, 62),
  IQ3_S(4, 3, 1, 3, 5, 7, 9, 11, 13, 15);

  private final int run;
  private final byte[] numbers;

  Grid(int run, int bits, int... values) {
    this.run = run;
    List<Integer> entries = entries("yz_" + name().toLowerCase(Locale.ROOT));
    this.numbers = new byte[entries.size() * run];
    for (int i = 0; i < numbers.length; i++) {
      int place = entries.get(i / run) >> bits * (i % run) & (1 << bits) - 1;
      numbers[i] = (byte) values[place];
    }
  }

  /** Numbers of an entry: eight or four. */
  public int run() {
    return run;
  }

  /** The {@code j}-th number of an entry. */
  public int number(int entry, int j) {
    return numbers[entry * run + j];
  }

  /** A copy of all entries' numbers, for kernels. */
  public byte[] numbers() {
    return numbers.clone();
  }

  /**
   * The eight signs that seven bits stand for, a set bit being a minus: the eighth makes their
   * number even.
   */
  public static int signs(int seven) {
    return seven | (Integer.bitCount(seven) & 1) << 7;
  }

  private static List<Integer> entries(String name) {
    Matcher table =
        Pattern.compile("YZ_GRID\\(" + name + ", (\\d+)\\) = \\{([^}]*)}").matcher(Header.TEXT);
    if (!table.find()) {
      throw new IllegalStateException("grids.h has no " + name);
    }
    List<Integer> entries =
        Header.NUMBER
            .matcher(table.group(2))
            .results()
            .map(m -> Integer.parseInt(m.group(1), 16))
            .toList();
    if (entries.size() != Integer.parseInt(table.group(1))) {
      throw new IllegalStateException("grids.h has " + entries.size() + " entries of " + name);
    }
    return entries;
  }

  /** Read once, and only where a grid is wanted. */
  private static final class Header {
    static final Pattern NUMBER = Pattern.compile("0x([0-9a-f]{4})");
    static final String TEXT = read();

    private static String read() {
      try (InputStream in = Grid.class.getResourceAsStream("grids.h")) {
        if (in == null) {
          throw new IllegalStateException("the jar lacks dev/yuzui/spi/grids.h");
        }
        return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
