package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The GGUF form is written and read by the tests of convert. */
class ImportanceMatrixTest {
  @TempDir private Path folder;

  /** One entry of the binary form: 4 calls, sums of 8 and 2. */
  private static byte[] old() {
    byte[] name = "blk.0.attn_q.weight".getBytes(StandardCharsets.UTF_8);
    ByteBuffer out = ByteBuffer.wrap(new byte[64]).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(1).putInt(name.length).put(name).putInt(4).putInt(2).putFloat(8).putFloat(2);
    out.putInt(7).putInt(4).put("text".getBytes(StandardCharsets.UTF_8));
    return Arrays.copyOf(out.array(), out.position());
  }

  private Path file(byte[] bytes) throws IOException {
    return Files.write(folder.resolve("imatrix.dat"), bytes);
  }

  @Test
  void theBinaryFormIsRead() throws IOException {
    ImportanceMatrix matrix = ImportanceMatrix.read(file(old()));
    assertEquals(7, matrix.chunkCount());
    assertEquals("[text]", matrix.datasets().toString());
    assertArrayEquals(new float[] {2, 0.5f}, matrix.entries().get("blk.0.attn_q.weight").means());
  }

  @Test
  void whereNothingCameInAllColumnsCountAlike() {
    var entry = new ImportanceMatrix.Entry(new float[] {6, 2, 0, 0}, new float[] {2, 0});
    assertArrayEquals(new float[] {3, 1, 1, 1}, entry.means());
  }

  @Test
  void damagedFilesAreRefusedInOneMessage() throws IOException {
    byte[] whole = old();
    int ofEntries = whole.length - 12; // chunks and text may be left out
    for (int length = 0; length < ofEntries; length++) {
      Path cut = file(Arrays.copyOf(whole, length));
      WeightException e = assertThrows(WeightException.class, () -> ImportanceMatrix.read(cut));
      assertTrue(e.getMessage().contains("imatrix.dat"), e.getMessage());
    }
    ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).putFloat(35, Float.NaN);
    WeightException e =
        assertThrows(WeightException.class, () -> ImportanceMatrix.read(file(whole)));
    assertTrue(e.getMessage().contains("NaN"), e.getMessage());
  }
}
