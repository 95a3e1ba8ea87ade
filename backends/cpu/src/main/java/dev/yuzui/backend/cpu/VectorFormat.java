package dev.yuzui.backend.cpu;

/**
 * How a type lies in strips for {@link VectorStrips}: of 16 rows first the headers, one for each
 * block of columns, then the codes, unit after unit, 64 bytes to a word of each row.
 *
 * @param blockColumns that share a header
 * @param fileBytes of a block of a row in a file
 * @param units of 32 or 64 columns, see {@link VectorCodes}
 */
record VectorFormat(
    int blockColumns, int headerBytes, int fileBytes, int unitColumns, int unitBytes) {
  static final VectorFormat Q4_0 = new VectorFormat(32, 32, 18, 64, 512);
  static final VectorFormat Q5_0 = new VectorFormat(32, 32, 22, 64, 640);
  static final VectorFormat Q8_0 = new VectorFormat(32, 32, 34, 32, 512);
  static final VectorFormat Q4_K = new VectorFormat(256, 320, 144, 64, 512);
  static final VectorFormat Q5_K = new VectorFormat(256, 320, 176, 64, 640);
  static final VectorFormat Q6_K = new VectorFormat(256, 288, 210, 32, 384);

  static boolean has(StripType type) {
    return switch (type) {
      case Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K -> true;
      default -> false;
    };
  }

  static VectorFormat of(StripType type) {
    return switch (type) {
      case Q4_0 -> Q4_0;
      case Q5_0 -> Q5_0;
      case Q8_0 -> Q8_0;
      case Q4_K -> Q4_K;
      case Q5_K -> Q5_K;
      case Q6_K -> Q6_K;
      default -> throw new IllegalArgumentException(type + " is not put into strips");
    };
  }

  /** Bytes before the codes. */
  long headers(int cols) {
    return Math.ceilDiv((long) blocks(cols) * headerBytes, 64) * 64;
  }

  int blocks(int cols) {
    return cols / blockColumns;
  }

  int units(int cols) {
    return Math.ceilDiv(cols, unitColumns);
  }

  long stripBytes(int cols) {
    return headers(cols) + (long) units(cols) * unitBytes;
  }

  long rowBytes(int cols) {
    return (long) blocks(cols) * fileBytes;
  }
}
