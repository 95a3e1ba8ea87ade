package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How large the numbers are that each column of a weight is multiplied by, measured over a text:
 * llama.cpp's imatrix, in the GGUF form of 2025 or the binary one before.
 *
 * @param datasets the texts' names
 * @param chunkSize tokens of a chunk
 */
public record ImportanceMatrix(
    Map<String, Entry> entries, List<String> datasets, int chunkCount, int chunkSize) {
  public static final String SUMS = ".in_sum2";
  public static final String COUNTS = ".counts";

  private static final int GGUF_MAGIC = 0x46554747;
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public ImportanceMatrix {
    entries = new LinkedHashMap<>(entries); // in the file's order
    datasets = List.copyOf(datasets);
  }

  /**
   * Of one weight, or of the matrices that lie on each other in one.
   *
   * @param sums of squares of what came in, [matrices · columns]
   * @param counts rows that came to each matrix
   */
  @SuppressWarnings("ArrayRecordComponent") // millions of numbers, compared by nobody
  public record Entry(float[] sums, float[] counts) {
    /** Mean squares; 1 throughout for matrices that nothing came to. */
    public float[] means() {
      float[] means = new float[sums.length];
      int columns = sums.length / counts.length;
      for (int i = 0; i < sums.length; i++) {
        float count = counts[i / columns];
        means[i] = count > 0 ? sums[i] / count : 1;
      }
      return means;
    }
  }

  /**
   * @throws WeightException if the file is none, or damaged
   */
  public static ImportanceMatrix read(Path file) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment bytes = Mapping.map(file, arena);
      boolean gguf = bytes.byteSize() >= 4 && bytes.get(INT, 0) == GGUF_MAGIC;
      ImportanceMatrix matrix = gguf ? gguf(file, arena) : old(file, new GgufCursor(file, bytes));
      matrix.entries.forEach((name, entry) -> requireNumbers(file, name, entry));
      return matrix;
    }
  }

  private static ImportanceMatrix gguf(Path file, Arena arena) {
    GgufFile gguf = GgufFile.read(file, arena);
    Keys keys = new Keys(file, "", gguf.metadata());
    String type = keys.text("general.type").orElse("nothing");
    if (!type.equals("imatrix")) {
      throw keys.refused(
          "general.type", "imatrix", type, "give what yuzui imatrix or llama-imatrix wrote");
    }
    Map<String, RawTensor> raw = new LinkedHashMap<>();
    gguf.tensors().forEach(t -> raw.put(t.name(), t));
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (RawTensor sums : gguf.tensors()) {
      if (sums.name().endsWith(SUMS)) {
        String name = sums.name().substring(0, sums.name().length() - SUMS.length());
        RawTensor counts = raw.get(name + COUNTS);
        if (counts == null || sums.elements() % counts.elements() != 0) {
          throw new WeightException(
              file,
              "tensor " + name + COUNTS,
              "a count for each matrix of " + sums.name() + " " + sums.shape(),
              counts == null ? "none" : "shape " + counts.shape(),
              "make the file again");
        }
        entries.put(name, new Entry(floats(sums), floats(counts)));
      }
    }
    List<String> datasets =
        gguf.metadata().get("imatrix.datasets") instanceof GgufArray a
                && a.type() == GgufCursor.STRING
            ? a.strings()
            : List.of();
    return new ImportanceMatrix(
        entries,
        datasets,
        keys.integerOr("imatrix.chunk_count", 0, Integer.MAX_VALUE, 0),
        keys.integerOr("imatrix.chunk_size", 0, Integer.MAX_VALUE, 0));
  }

  private static float[] floats(RawTensor t) {
    if (!t.encoding().filter(Encoding.F32::equals).isPresent()) {
      throw new WeightException(
          t.file(), "tensor " + t.name(), "type F32", t.type(), "make the file again");
    }
    return t.data().toArray(FLOAT);
  }

  /** Names with calls and, for each column, calls · mean square; then what else was known. */
  private static ImportanceMatrix old(Path file, GgufCursor in) {
    int count = in.reading("entries").u32();
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      String name = in.reading("entry " + i).text(in.u32());
      in.reading("entry " + name);
      float calls = in.u32();
      int columns = in.u32();
      if (columns < 1 || columns > in.remaining() / 4) {
        throw new WeightException(
            file,
            "entry " + name,
            "1 to " + in.remaining() / 4 + " columns in the bytes left",
            Integer.toUnsignedString(columns),
            "give an importance matrix that yuzui imatrix or llama-imatrix wrote");
      }
      float[] sums = new float[columns];
      for (int c = 0; c < columns; c++) {
        sums[c] = Float.intBitsToFloat(in.u32());
      }
      entries.put(name, new Entry(sums, new float[] {calls}));
    }
    if (entries.isEmpty()) {
      throw new WeightException(
          file,
          "file",
          "an importance matrix",
          "none",
          "give what yuzui imatrix or llama-imatrix wrote");
    }
    int chunks = in.remaining() >= 4 ? in.reading("chunks").u32() : 0;
    List<String> datasets = in.remaining() >= 4 ? List.of(in.text(in.u32())) : List.of();
    return new ImportanceMatrix(entries, datasets, chunks, 0);
  }

  private static void requireNumbers(Path file, String name, Entry entry) {
    for (float[] numbers : List.of(entry.sums, entry.counts)) {
      for (float x : numbers) {
        if (!(x >= 0) || Float.isInfinite(x)) {
          throw new WeightException(
              file,
              "entry " + name,
              "sums of squares and counts, 0 or more",
              String.valueOf(x),
              "make the file again");
        }
      }
    }
  }
}
