package dev.yuzui.convert;

import dev.yuzui.io.Texts;
import dev.yuzui.io.WholeFile;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.GgufValue;
import dev.yuzui.weights.ImportanceMatrix;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes an {@link ImportanceMatrix} as llama.cpp's imatrix does. */
public final class ImportanceFile {
  private ImportanceFile() {}

  /**
   * @throws ConvertException if the file cannot be written
   */
  public static void write(Path file, ImportanceMatrix matrix) {
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    metadata.put("general.type", GgufValue.text("imatrix"));
    metadata.put("imatrix.datasets", GgufValue.texts(matrix.datasets()));
    metadata.put("imatrix.chunk_count", GgufValue.u32(matrix.chunkCount()));
    metadata.put("imatrix.chunk_size", GgufValue.u32(matrix.chunkSize()));
    List<GgufHeader.Tensor> tensors = new ArrayList<>();
    List<float[]> data = new ArrayList<>();
    matrix
        .entries()
        .forEach(
            (name, entry) -> {
              long matrices = entry.counts().length;
              long columns = entry.sums().length / matrices;
              tensors.add(
                  new GgufHeader.Tensor(
                      name + ImportanceMatrix.SUMS, List.of(matrices, columns), Encoding.F32));
              data.add(entry.sums());
              tensors.add(
                  new GgufHeader.Tensor(
                      name + ImportanceMatrix.COUNTS, List.of(matrices, 1L), Encoding.F32));
              data.add(entry.counts());
            });
    try {
      WholeFile.write(
          file,
          channel -> {
            all(channel, ByteBuffer.wrap(GgufHeader.bytes(metadata, tensors)));
            for (float[] numbers : data) {
              ByteBuffer bytes =
                  ByteBuffer.allocate((int) GgufHeader.aligned(4L * numbers.length))
                      .order(ByteOrder.LITTLE_ENDIAN);
              bytes.asFloatBuffer().put(numbers);
              all(channel, bytes);
            }
          });
    } catch (IOException e) {
      throw ConvertException.system(file + ": cannot be written: " + Texts.reason(e));
    }
  }

  private static void all(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
