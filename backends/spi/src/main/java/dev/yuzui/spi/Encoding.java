package dev.yuzui.spi;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * How the numbers of a tensor lie in memory: layout facts only, no arithmetic ({@link Dequantizer}
 * has that). The block formats are those of ggml; their byte layouts are in
 * native-kernels/common/blocks.h, which a test holds against these records.
 */
public sealed interface Encoding {

  Encoding F32 = new Plain(Scalar.F32);
  Encoding F16 = new Plain(Scalar.F16);
  Encoding BF16 = new Plain(Scalar.BF16);
  Encoding I32 = new Plain(Scalar.I32);
  Encoding FP8 = new Fp8Tiled(128);

  /** float8_e4m3fn without a scale: what a latent cache may be kept in. */
  Encoding E4M3 = new Plain(Scalar.E4M3);

  /** Elements of one block along a row; a row's length is a multiple of it. */
  int blockElements();

  /** Bytes of one block. */
  int blockBytes();

  /** The name users type and read: {@code Q4_K}, {@code BF16}. */
  String label();

  /** Bytes of one row of {@code cols} elements; {@code cols} must be a whole number of blocks. */
  long rowBytes(long cols);

  /** Bytes of a rows × cols matrix (for {@link Fp8Tiled}: of its codes). */
  long byteSize(long rows, long cols);

  // No default methods here: with one, the first use of a record would initialize this interface,
  // whose constants are such records; two threads could wait for each other for ever.

  /** One element a block. */
  record Plain(Scalar scalar) implements Encoding {
    @Override
    public int blockElements() {
      return 1;
    }

    @Override
    public int blockBytes() {
      return scalar.bytes();
    }

    @Override
    public String label() {
      return scalar.name();
    }

    @Override
    public long rowBytes(long cols) {
      return Math.multiplyExact(cols, (long) blockBytes());
    }

    @Override
    public long byteSize(long rows, long cols) {
      return Math.multiplyExact(rows, rowBytes(cols));
    }
  }

  /**
   * float8_e4m3fn codes, row-major, with one F32 scale per {@code tile × tile} square, the grid
   * rounded up: w[m,n] = e4m3(code[m,n]) · scale[m/tile, n/tile]. The scales lie apart from the
   * codes ({@link HostTensor#scales}); {@link #byteSize} counts the codes alone.
   */
  record Fp8Tiled(int tile) implements Encoding {
    @Override
    public int blockElements() {
      return 1;
    }

    @Override
    public int blockBytes() {
      return 1;
    }

    @Override
    public String label() {
      return "FP8_E4M3";
    }

    @Override
    public long rowBytes(long cols) {
      return cols;
    }

    @Override
    public long byteSize(long rows, long cols) {
      return Math.multiplyExact(rows, rowBytes(cols));
    }

    /** Scales of a matrix, row-major: ⌈rows/tile⌉ × ⌈cols/tile⌉. */
    public long scaleCount(long rows, long cols) {
      return Math.ceilDiv(rows, tile) * Math.ceilDiv(cols, tile);
    }
  }

  /** A ggml block format. */
  sealed interface Block extends Encoding {
    @Override
    default String label() {
      return getClass().getSimpleName();
    }

    @Override
    default long rowBytes(long cols) {
      if (cols % blockElements() != 0) {
        throw new IllegalArgumentException(
            "%s rows are whole blocks of %d, not %d elements"
                .formatted(label(), blockElements(), cols));
      }
      return Math.multiplyExact(cols / blockElements(), (long) blockBytes());
    }

    @Override
    default long byteSize(long rows, long cols) {
      return Math.multiplyExact(rows, rowBytes(cols));
    }

    /** Where the F16 numbers of a block, its scales and minima, are: bytes from its start. */
    default List<Integer> halves() {
      return switch (this) {
        case Q4_0 _, Q5_0 _, Q8_0 _, IQ4_NL _, IQ4_XS _ -> List.of(0);
        case Q4_1 _, Q5_1 _, Q4_K _, Q5_K _ -> List.of(0, 2);
        case Q2_K _ -> List.of(80, 82);
        case Q3_K _ -> List.of(108);
        case Q6_K _ -> List.of(208);
      };
    }
  }

  record Q4_0() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 18;
    }
  }

  record Q4_1() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 20;
    }
  }

  record Q5_0() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 22;
    }
  }

  record Q5_1() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 24;
    }
  }

  record Q8_0() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 34;
    }
  }

  record Q2_K() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 84;
    }
  }

  record Q3_K() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 110;
    }
  }

  record Q4_K() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 144;
    }
  }

  record Q5_K() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 176;
    }
  }

  record Q6_K() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 210;
    }
  }

  record IQ4_NL() implements Block {
    @Override
    public int blockElements() {
      return 32;
    }

    @Override
    public int blockBytes() {
      return 18;
    }
  }

  record IQ4_XS() implements Block {
    @Override
    public int blockElements() {
      return 256;
    }

    @Override
    public int blockBytes() {
      return 136;
    }
  }

  /** Every encoding a checkpoint's tensor may have. */
  static List<Encoding> all() {
    return List.of(
        F32,
        F16,
        BF16,
        FP8,
        new Q4_0(),
        new Q4_1(),
        new Q5_0(),
        new Q5_1(),
        new Q8_0(),
        new Q2_K(),
        new Q3_K(),
        new Q4_K(),
        new Q5_K(),
        new Q6_K(),
        new IQ4_NL(),
        new IQ4_XS());
  }

  /** Every encoding a latent cache may have. */
  static List<Encoding> caches() {
    return List.of(F32, F16, BF16, E4M3, new Q8_0());
  }

  /** The encoding of a tensor or a cache that is called {@code label}, in any case. */
  static Optional<Encoding> byLabel(String label) {
    return Stream.concat(all().stream(), caches().stream())
        .filter(e -> e.label().equalsIgnoreCase(label))
        .findFirst();
  }
}
