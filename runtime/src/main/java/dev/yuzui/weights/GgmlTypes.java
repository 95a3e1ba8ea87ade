package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The type ids of GGUF tensors: those that load, and names for those that do not. */
public final class GgmlTypes {
  private static final Map<Integer, Encoding> ENCODINGS =
      Map.ofEntries(
          Map.entry(0, Encoding.F32),
          Map.entry(1, Encoding.F16),
          Map.entry(2, new Encoding.Q4_0()),
          Map.entry(3, new Encoding.Q4_1()),
          Map.entry(6, new Encoding.Q5_0()),
          Map.entry(7, new Encoding.Q5_1()),
          Map.entry(8, new Encoding.Q8_0()),
          Map.entry(10, new Encoding.Q2_K()),
          Map.entry(11, new Encoding.Q3_K()),
          Map.entry(12, new Encoding.Q4_K()),
          Map.entry(13, new Encoding.Q5_K()),
          Map.entry(14, new Encoding.Q6_K()),
          Map.entry(16, new Encoding.IQ2_XXS()),
          Map.entry(17, new Encoding.IQ2_XS()),
          Map.entry(18, new Encoding.IQ3_XXS()),
          Map.entry(19, new Encoding.IQ1_S()),
          Map.entry(20, new Encoding.IQ4_NL()),
          Map.entry(21, new Encoding.IQ3_S()),
          Map.entry(22, new Encoding.IQ2_S()),
          Map.entry(23, new Encoding.IQ4_XS()),
          Map.entry(26, Encoding.I32), // indices
          Map.entry(29, new Encoding.IQ1_M()),
          Map.entry(30, Encoding.BF16),
          Map.entry(34, new Encoding.TQ1_0()),
          Map.entry(35, new Encoding.TQ2_0()),
          Map.entry(39, new Encoding.MXFP4()),
          Map.entry(40, new Encoding.NVFP4()),
          Map.entry(41, new Encoding.Q1_0()),
          Map.entry(42, new Encoding.Q2_0()));

  private static final Map<Integer, String> OTHERS =
      Map.ofEntries(
          Map.entry(4, "Q4_2, retired"),
          Map.entry(5, "Q4_3, retired"),
          Map.entry(9, "Q8_1, for activations"),
          Map.entry(15, "Q8_K, for activations"),
          Map.entry(24, "I8"),
          Map.entry(25, "I16"),
          Map.entry(27, "I64"),
          Map.entry(28, "F64"),
          Map.entry(31, "Q4_0_4_4, retired"),
          Map.entry(32, "Q4_0_4_8, retired"),
          Map.entry(33, "Q4_0_8_8, retired"),
          Map.entry(36, "IQ4_NL_4_4, retired"),
          Map.entry(37, "IQ4_NL_4_8, retired"),
          Map.entry(38, "IQ4_NL_8_8, retired"));

  private GgmlTypes() {}

  /** The id of an encoding that a GGUF can have. */
  public static int id(Encoding encoding) {
    return ENCODINGS.entrySet().stream()
        .filter(e -> e.getValue().equals(encoding))
        .mapToInt(Map.Entry::getKey)
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no GGUF has " + encoding.label()));
  }

  /** Empty for types that do not run. */
  static Optional<Encoding> encoding(int id) {
    return Optional.ofNullable(ENCODINGS.get(id));
  }

  /** {@code Q4_K}, {@code type id 16 (IQ2_XXS)}. */
  static String label(int id) {
    return encoding(id)
        .map(Encoding::label)
        .orElseGet(
            () ->
                "type id "
                    + Integer.toUnsignedString(id)
                    + " ("
                    + OTHERS.getOrDefault(id, isOfIk(id) ? "ik_llama.cpp's own" : "unknown")
                    + ")");
  }

  /** Types that ik_llama.cpp has added or interleaved; llama.cpp's own ids stay below. */
  private static boolean isOfIk(int id) {
    return id >= 97 && id <= 99 || id >= 133 && id <= 158 || id >= 200 && id <= 398;
  }

  /**
   * @throws WeightException if some are of types that do not run: it counts them
   */
  static void requireEncodings(Collection<RawTensor> tensors) {
    Map<String, Long> others = new TreeMap<>();
    tensors.stream()
        .filter(t -> t.encoding().isEmpty())
        .forEach(t -> others.merge(t.type(), 1L, Long::sum));
    tensors.stream()
        .filter(t -> t.encoding().isEmpty())
        .findFirst()
        .ifPresent(
            first -> {
              throw new WeightException(
                  first.file(),
                  "tensor " + first.name(),
                  "one of the types " + supported(),
                  others.entrySet().stream()
                          .map(e -> e.getKey() + " in " + e.getValue() + " of " + tensors.size())
                          .collect(Collectors.joining(", "))
                      + " tensors",
                  "use a file quantised to a supported type, such as Q4_K_M or Q8_0");
            });
  }

  private static String supported() {
    return ENCODINGS.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .filter(e -> !e.getValue().equals(Encoding.I32))
        .map(e -> e.getValue().label())
        .collect(Collectors.joining(" "));
  }
}
