package dev.yuzui.backend.cpu;

/**
 * How a type lies in strips for {@link VectorStrips}: of 16 rows, {@value #PIECE} columns after
 * another, first the codes, unit after unit, 64 bytes to a word of each row, then the headers, one
 * for each block of columns. Products read that in just this order, for only a stream without gaps
 * is fetched ahead: Java cannot ask for it, and with all headers before all codes one core read 9
 * GB/s of Q4_K rather than 18.
 *
 * @param blockColumns that share a header
 * @param fileBytes of a block of a row in a file
 * @param unitColumns 32 or 64, see {@link VectorCodes}
 */
record VectorFormat(
    int blockColumns, int headerBytes, int fileBytes, int unitColumns, int unitBytes) {
  /** Columns whose sums stay in the nearest cache until their headers come: whole blocks. */
  static final int PIECE = 1024;

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

  /** Where in a strip the codes of column {@code c} are, which begins a unit. */
  long codes(int c) {
    return c / PIECE * pieceBytes(PIECE) + (long) units(c % PIECE) * unitBytes;
  }

  /** Where the header of column {@code c} is, which begins a block, of so many columns. */
  long header(int c, int cols) {
    int first = c / PIECE * PIECE;
    long all = (long) units(Math.min(PIECE, cols - first)) * unitBytes;
    return codes(first) + all + (long) blocks(c - first) * headerBytes;
  }

  int blocks(int cols) {
    return cols / blockColumns;
  }

  int units(int cols) {
    return Math.ceilDiv(cols, unitColumns);
  }

  private long pieceBytes(int cols) {
    long headers = (long) blocks(cols) * headerBytes;
    return (long) units(cols) * unitBytes + Math.ceilDiv(headers, 64) * 64;
  }

  long stripBytes(int cols) {
    return cols / PIECE * pieceBytes(PIECE) + pieceBytes(cols % PIECE);
  }

  long rowBytes(int cols) {
    return (long) blocks(cols) * fileBytes;
  }
}
