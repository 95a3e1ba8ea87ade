package dev.yuzui.ptx.machine;

/**
 * B of a wgmma in shared memory, K-major, as its descriptor says: bits 0 to 13 the start, 16 to 29
 * the leading and 32 to 45 the stride dimension byte offset, each a sixteenth; 49 to 51 the base
 * offset; 62 and 63 how addresses are swizzled.
 */
record SharedMatrix(long descriptor) {
  /** Bytes of eight numbers, which lie together however they are swizzled. */
  static final int PIECE = 16;

  private static final long FIELD = 0x3fff;
  private static final long KNOWN = FIELD | FIELD << 16 | FIELD << 32 | 3L << 62;

  /** Rows of a pattern. */
  private static final int ROWS = 8;

  private int field(int bit) {
    return (int) (descriptor >>> bit & FIELD) * PIECE;
  }

  /**
   * Bits of the address that are exchanged: 128, 64 and 32 bytes of a row hold 8, 4 and 2 pieces.
   */
  private int bits() {
    return switch ((int) (descriptor >>> 62)) {
      case 1 -> 3;
      case 2 -> 2;
      case 3 -> 1;
      default -> 0;
    };
  }

  /**
   * Where the first eight numbers of {@code columns} rows of 16 lie in the block's shared memory,
   * and then the other eight.
   */
  int[] rows(Warp w, int columns) {
    if ((descriptor & ~KNOWN) != 0) {
      throw w.fault("the descriptor %016x has bits that are not known here".formatted(descriptor));
    }
    int bits = bits();
    int row = bits == 0 ? PIECE : PIECE << bits;
    int[] all = new int[2 * columns];
    for (int i = 0; i < all.length; i++) {
      int n = i % columns;
      int half = i / columns;
      int at = field(0) + n / ROWS * field(32) + n % ROWS * row;
      at += half * (bits == 0 ? field(16) : PIECE);
      at ^= (at >> 7 & (1 << bits) - 1) << 4;
      all[i] = Access.sharedOffset(w, 0, at, PIECE);
    }
    return all;
  }
}
