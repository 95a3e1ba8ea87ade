package dev.yuzui.weights;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What tells one checkpoint from another without reading all of it: SHA-256 over the metadata, and
 * of every matrix its name, encoding, shape and a few of its bytes. Training on touches every
 * matrix nearly everywhere, so few bytes of each are enough: of an expert those in the middle, for
 * DeepSeek-V4-Pro has 72,000 of them, and each place is a read from disk.
 */
final class Fingerprint {
  private static final int SPOTS = 4;
  private static final int SPOT_BYTES = 16;

  private final MessageDigest sha;
  private final byte[] spots = new byte[SPOTS * SPOT_BYTES];

  private Fingerprint() {
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  /**
   * @param matrices of each part, the experts in order
   */
  static String of(Map<String, String> metadata, Map<PartOf, List<MatrixSource>> matrices) {
    Fingerprint fingerprint = new Fingerprint();
    new TreeMap<>(metadata).forEach((key, value) -> fingerprint.add(key + "=" + value));
    matrices.entrySet().stream()
        .sorted(Map.Entry.comparingByKey(PartOf.ORDER))
        .forEach(e -> fingerprint.add(e.getValue()));
    return HexFormat.of().formatHex(fingerprint.sha.digest());
  }

  private void add(String text) {
    sha.update(text.getBytes(UTF_8));
    sha.update((byte) 0);
  }

  private void add(List<MatrixSource> matrices) {
    for (MatrixSource matrix : matrices) {
      describe(matrix);
      if (matrices.size() > 1) {
        addSpot(matrix.stored().getFirst());
      } else {
        matrix.stored().forEach(this::addSpots);
      }
    }
  }

  private void describe(MatrixSource matrix) {
    add(
        matrix.name()
            + " "
            + matrix.encoding().label()
            + " ["
            + matrix.rows()
            + ", "
            + matrix.cols()
            + "]");
  }

  private void addSpot(MemorySegment data) {
    int count = (int) Math.min(SPOT_BYTES, data.byteSize());
    MemorySegment.copy(data, ValueLayout.JAVA_BYTE, (data.byteSize() - count) / 2, spots, 0, count);
    sha.update(spots, 0, count);
  }

  private void addSpots(MemorySegment data) {
    int count = (int) Math.min(SPOT_BYTES, data.byteSize());
    for (int i = 0; i < SPOTS; i++) {
      long at = (data.byteSize() - count) * i / (SPOTS - 1);
      MemorySegment.copy(data, ValueLayout.JAVA_BYTE, at, spots, i * SPOT_BYTES, count);
    }
    sha.update(spots);
  }
}
