package dev.yuzui.cli.options;

import dev.yuzui.io.Texts;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Converters that say what they expected and what they found; picocli adds the flag's name. */
public final class Ranges {
  private Ranges() {}

  private static long parse(String text, String expected, LongPredicate good) {
    try {
      long value = Long.parseLong(text.strip());
      if (good.test(value)) {
        return value;
      }
    } catch (NumberFormatException _) {
      // reported below, as a number out of range is
    }
    throw new TypeConversionException("expected " + expected + ", found '" + text + "'");
  }

  private static int parseInt(String text, String expected, LongPredicate good) {
    return (int) parse(text, expected, n -> n <= Integer.MAX_VALUE && good.test(n));
  }

  /** Far more than any machine holds, and few enough that some of them can be added up. */
  public static final int MOST = 1 << 29;

  /** Sequences that run together: as many as pages can be counted for. */
  private static final int MOST_SEQUENCES = 1 << 16;

  private static int count(String text, int least, int most) {
    long count = parse(text, "a whole number, " + least + " or more", n -> n >= least);
    if (count > most) {
      throw new TypeConversionException("expected at most " + most + ", found '" + text + "'");
    }
    return (int) count;
  }

  /** 1, 2, 3 … */
  public static final class Positive implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      return count(text, 1, MOST);
    }
  }

  /** Sequences or answers: 1, 2, 3 … */
  public static final class Sequences implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      return count(text, 1, MOST_SEQUENCES);
    }
  }

  /** 0, 1, 2 … */
  public static final class Count implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      return count(text, 0, MOST);
    }
  }

  /** {@code 5s}, {@code 500ms}, {@code 2m}, {@code 1h}; a bare number is seconds. */
  public static final class Time implements ITypeConverter<Duration> {
    private static final Pattern TIME = Pattern.compile("(\\d{1,9})\\s*(ms|s|m|h)?");

    @Override
    public Duration convert(String text) {
      Matcher time = TIME.matcher(text.strip());
      if (!time.matches()) {
        throw new TypeConversionException(
            "expected a time such as 5s, 500ms or 2m, found '" + text + "'");
      }
      long n = Long.parseLong(time.group(1));
      Duration duration =
          switch (Optional.ofNullable(time.group(2)).orElse("s")) {
            case "ms" -> Duration.ofMillis(n);
            case "m" -> Duration.ofMinutes(n);
            case "h" -> Duration.ofHours(n);
            default -> Duration.ofSeconds(n);
          };
      if (duration.isZero() || duration.compareTo(Duration.ofDays(30)) > 0) {
        throw new TypeConversionException(
            "expected more than none and at most 30 days, found '" + text + "'");
      }
      return duration;
    }
  }

  /** {@code 20G}, {@code 512M}, {@code 1.5 GiB}: powers of 1024. */
  public static final class Bytes implements ITypeConverter<Long> {
    private static final Pattern SIZE =
        Pattern.compile(
            "(\\d{1,9}(?:\\.\\d{1,9})?)\\s*([KMGT]?)(?:i?B)?", Pattern.CASE_INSENSITIVE);

    @Override
    public Long convert(String text) {
      Matcher size = SIZE.matcher(text.strip());
      if (!size.matches()) {
        throw new TypeConversionException(
            "expected a size such as 20G or 512M, found '" + text + "'");
      }
      int power = " KMGT".indexOf(size.group(2).toUpperCase(Locale.ROOT).concat(" ").charAt(0));
      return (long) (Double.parseDouble(size.group(1)) * Math.pow(1024, power));
    }
  }

  /** 0, 1, 2 …, or −1 for all that the context holds; so does llama.cpp's −2. */
  static final class Made implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      int count = parseInt(text, "a number of tokens, or -1 for no limit", n -> n >= -2);
      return Math.max(count, -1);
    }
  }

  /** 0, 1, 2 …, or −1 for no limit. */
  static final class Limit implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      return parseInt(text, "a number of tokens, or -1 for no limit", n -> n >= -1);
    }
  }

  /** 0 or more; −1 takes a random one. */
  public static final class Seed implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      return parse(
          text, "a whole number, or -1 for a random seed", n -> n >= SamplingParams.RANDOM_SEED);
    }
  }

  public static final class Decimal implements ITypeConverter<Double> {
    @Override
    public Double convert(String text) {
      try {
        double value = Double.parseDouble(text.strip());
        if (Double.isFinite(value)) {
          return value;
        }
      } catch (NumberFormatException _) {
        // reported below, as NaN and infinity are
      }
      throw new TypeConversionException("expected a number, found '" + text + "'");
    }
  }

  /** The encodings a KV cache may have. */
  static final class CacheEncoding implements ITypeConverter<Encoding> {
    private static final Map<String, Encoding> BY_NAME = byName();

    private static Map<String, Encoding> byName() {
      Map<String, Encoding> names = new LinkedHashMap<>();
      Encoding.caches().forEach(e -> names.put(e.label().toLowerCase(Locale.ROOT), e));
      names.put("fp8", Encoding.E4M3);
      return names;
    }

    @Override
    public Encoding convert(String text) {
      return Optional.ofNullable(BY_NAME.get(text.toLowerCase(Locale.ROOT)))
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected one of "
                          + String.join(", ", BY_NAME.keySet())
                          + ", found '"
                          + text
                          + "'"));
    }
  }

  /** {@code 1,2,3}, blanks and brackets allowed. */
  public static final class TokenIds implements ITypeConverter<int[]> {
    @Override
    public int[] convert(String text) {
      return parse(text)
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected token ids such as 1,2,3, found '" + Texts.shorten(text) + "'"));
    }

    /** Empty if {@code text} is no list of ids, or an empty one. */
    public static Optional<int[]> parse(String text) {
      String list = text.strip();
      if (list.startsWith("[") && list.endsWith("]")) {
        list = list.substring(1, list.length() - 1).strip();
      }
      try {
        int[] ids =
            java.util.Arrays.stream(list.split("[,\\s]+")).mapToInt(Integer::parseInt).toArray();
        return java.util.Arrays.stream(ids).allMatch(id -> id >= 0)
            ? Optional.of(ids)
            : Optional.empty();
      } catch (NumberFormatException _) {
        return Optional.empty();
      }
    }
  }

  /** {@code ID+BIAS} or {@code ID-BIAS}: {@code 15043-inf} forbids token 15043. */
  static final class LogitBias implements ITypeConverter<LogitBias.Entry> {
    record Entry(int id, float bias) {}

    @Override
    public Entry convert(String text) {
      int sign = Math.max(text.indexOf('+'), text.indexOf('-'));
      if (sign > 0) {
        try {
          int id = Integer.parseInt(text.substring(0, sign).strip());
          String value = text.substring(sign).strip();
          return new Entry(
              id,
              value.equalsIgnoreCase("-inf") ? Float.NEGATIVE_INFINITY : Float.parseFloat(value));
        } catch (NumberFormatException _) {
          // reported below
        }
      }
      throw new TypeConversionException(
          "expected ID+BIAS or ID-BIAS, such as 15043+1 or 15043-inf, found '" + text + "'");
    }
  }
}
