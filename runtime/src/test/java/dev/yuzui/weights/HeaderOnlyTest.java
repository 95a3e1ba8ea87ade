package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A release of hundreds of gigabytes opens without being read: its header is real, its data a hole.
 */
class HeaderOnlyTest {
  @TempDir Path folder;

  private final StringBuilder header = new StringBuilder("{");
  private long offset;

  @ParameterizedTest
  @CsvSource({
    "deepseek-ai--DeepSeek-V4-Flash, 69187, 159.6, 43",
    "deepseek-ai--DeepSeek-V4-Pro, 145116, 864.7, 61"
  })
  void aReleaseOpensAtOnce(String published, int tensors, double gigabytes, int layers)
      throws IOException {
    Files.copy(
        SharedData.path("refdata/configs/" + published + ".config.json"),
        folder.resolve("config.json"));
    write(HfConfig.read(folder.resolve("config.json")));
    assertTimeout(
        Duration.ofSeconds(60), // 2 on an idle machine
        () -> {
          try (Checkpoint c = Checkpoints.open(folder)) {
            assertEquals(tensors, c.stored().size());
            assertEquals(gigabytes, c.byteSize() / 1e9, 0.05);
            assertEquals(layers, c.config().layers());
            assertEquals(1, c.config().mtpLayers());
            assertEquals(c.config().vocabSize(), c.tensor(Part.ROUTER_TABLE, 2).rows());
            long experts = (layers + 1L) * c.config().gate().experts() * 3;
            long each = (long) c.config().expertWidth() * c.config().hiddenSize() / 32 * 17;
            assertEquals(experts * each, c.derivedBytes(), "made when they are asked for");
          }
        });
  }

  /** The tensors of the release, by the types that it has. */
  private void write(DeepseekConfig c) throws IOException {
    TensorNames names = TensorNames.DEEPSEEK_V4;
    List<Part> model = new ArrayList<>(LayerParts.ofModel(c));
    for (Part part : model) {
      tensor(names.of(part, 0, c).orElseThrow(), part, 0, c);
    }
    for (int layer = 0; layer < c.layers() + c.mtpLayers(); layer++) {
      for (Part part : LayerParts.required(c, layer)) {
        if (LayerParts.EXPERTS.contains(part)) {
          for (int e = 0; e < c.gate().experts(); e++) {
            tensor(names.ofExpert(part, layer, e, c), part, layer, c);
          }
        } else {
          tensor(names.of(part, layer, c).orElseThrow(), part, layer, c);
        }
      }
    }
    header.setCharAt(header.length() - 1, '}');
    byte[] json = (header + " ".repeat(-header.length() & 7)).getBytes(StandardCharsets.UTF_8);
    Path file = folder.resolve("model.safetensors");
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
      out.write(json);
      out.setLength(8 + json.length + offset);
    }
  }

  private void tensor(String name, Part part, int layer, DeepseekConfig c) {
    PartShape shape = PartShape.of(part, layer, c);
    long rows = shape.rows();
    long cols = shape.cols();
    String scale = name.replace(".weight", ".scale");
    Encoding encoding = SyntheticMix.FP8.encoding(part, layer, c);
    if (encoding.equals(Fp4Pairs.MXFP4)) {
      entry(name, "I8", 1, rows, cols / 2);
      entry(scale, "F8_E8M0", 1, rows, cols / 32);
    } else if (encoding.equals(Encoding.FP8)) {
      entry(name, "F8_E4M3", 1, rows, cols);
      long across = Math.ceilDiv(cols, 128L);
      entry(scale, "F8_E8M0", 1, Math.ceilDiv(rows, 128L), across);
    } else if (encoding.equals(Encoding.I32)) {
      entry(name, "I64", 8, rows, cols);
    } else if (rows == 1 && name.endsWith("norm.weight")) {
      entry(name, "BF16", 2, cols);
    } else {
      boolean wide = encoding.equals(Encoding.F32);
      entry(
          name,
          wide ? "F32" : "BF16",
          wide ? 4 : 2,
          rows == 1 ? new long[] {cols} : new long[] {rows, cols});
    }
  }

  private void entry(String name, String dtype, int bytes, long... shape) {
    long size = bytes;
    List<Long> lengths = new ArrayList<>();
    for (long n : shape) {
      size *= n;
      lengths.add(n);
    }
    header.append(
        "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]},"
            .formatted(name, dtype, lengths, offset, offset + size));
    offset += size;
  }
}
