package dev.yuzui.spi;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
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

  /** float8_e4m3fn without a scale: what a KV cache may be kept in. */
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

  /**
   * A ggml block format: a run of elements along a row with the scales that they share. What a code
   * means is in {@link Dequantizer}, where its bits lie in native-kernels/common/blocks.h.
   */
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

    @Override
    default int blockElements() {
      return switch (this) {
        case Q4_0 _, Q4_1 _, Q5_0 _, Q5_1 _, Q8_0 _, IQ4_NL _, MXFP4 _ -> 32;
        case Q2_0 _, NVFP4 _ -> 64;
        case Q1_0 _ -> 128;
        case Q2_K _, Q3_K _, Q4_K _, Q5_K _, Q6_K _, IQ4_XS _, TQ1_0 _, TQ2_0 _ -> 256;
        case IQ1_S _, IQ1_M _, IQ2_XXS _, IQ2_XS _, IQ2_S _, IQ3_XXS _, IQ3_S _ -> 256;
      };
    }

    @Override
    default int blockBytes() {
      return switch (this) {
        case MXFP4 _ -> 17;
        case Q1_0 _, Q2_0 _, Q4_0 _, IQ4_NL _ -> 18;
        case Q4_1 _ -> 20;
        case Q5_0 _ -> 22;
        case Q5_1 _ -> 24;
        case Q8_0 _ -> 34;
        case NVFP4 _ -> 36;
        case IQ1_S _ -> 50;
        case TQ1_0 _ -> 54;
        case IQ1_M _ -> 56;
        case TQ2_0 _, IQ2_XXS _ -> 66;
        case IQ2_XS _ -> 74;
        case IQ2_S _ -> 82;
        case Q2_K _ -> 84;
        case IQ3_XXS _ -> 98;
        case Q3_K _, IQ3_S _ -> 110;
        case IQ4_XS _ -> 136;
        case Q4_K _ -> 144;
        case Q5_K _ -> 176;
        case Q6_K _ -> 210;
      };
    }

    /** The floating-point scales and minima of a block; its scales of few bits multiply these. */
    default List<BlockScale> scales() {
      return switch (this) {
        case Q1_0 _, Q2_0 _, Q4_0 _, Q5_0 _, Q8_0 _, IQ4_NL _, IQ4_XS _ -> BlockScale.halves(0);
        case IQ1_S _, IQ2_XXS _, IQ2_XS _, IQ2_S _, IQ3_XXS _, IQ3_S _ -> BlockScale.halves(0);
        case Q4_1 _, Q5_1 _, Q4_K _, Q5_K _ -> BlockScale.halves(0, 2);
        case Q2_K _ -> BlockScale.halves(80, 82);
        case Q3_K _ -> BlockScale.halves(108);
        case Q6_K _ -> BlockScale.halves(208);
        case TQ1_0 _ -> BlockScale.halves(52);
        case TQ2_0 _ -> BlockScale.halves(64);
        case IQ1_M _ -> List.of(new BlockScale(48, BlockScale.Form.F16_IN_NIBBLES));
        case MXFP4 _ -> List.of(new BlockScale(0, BlockScale.Form.E8M0));
        case NVFP4 _ ->
            IntStream.range(0, 4).mapToObj(i -> new BlockScale(i, BlockScale.Form.UE4M3)).toList();
      };
    }
  }

  record Q4_0() implements Block {}

  record Q4_1() implements Block {}

  record Q5_0() implements Block {}

  record Q5_1() implements Block {}

  record Q8_0() implements Block {}

  record Q2_K() implements Block {}

  record Q3_K() implements Block {}

  record Q4_K() implements Block {}

  record Q5_K() implements Block {}

  record Q6_K() implements Block {}

  record IQ4_NL() implements Block {}

  record IQ4_XS() implements Block {}

  /** Eight elements an entry of a grid of 2048; 1.56 bits each. */
  record IQ1_S() implements Block {}

  /** As {@link IQ1_S} with scales for 16 elements; 1.75 bits. */
  record IQ1_M() implements Block {}

  /** Eight magnitudes an entry of a grid of 256, signs apart; 2.06 bits. */
  record IQ2_XXS() implements Block {}

  /** As {@link IQ2_XXS}, a grid of 512, scales for 16 elements; 2.31 bits. */
  record IQ2_XS() implements Block {}

  /** As {@link IQ2_XS}, a grid of 1024, all eight signs; 2.56 bits. */
  record IQ2_S() implements Block {}

  /** Four magnitudes an entry of a grid of 256; 3.06 bits. */
  record IQ3_XXS() implements Block {}

  /** As {@link IQ3_XXS}, a grid of 512, all eight signs; 3.44 bits. */
  record IQ3_S() implements Block {}

  /** Five codes −1, 0, 1 to a byte; 1.69 bits. */
  record TQ1_0() implements Block {}

  /** Four codes −1, 0, 1 to a byte; 2.06 bits. */
  record TQ2_0() implements Block {}

  /** Signs alone; 1.125 bits. */
  record Q1_0() implements Block {}

  /** Codes −1, 0, 1, 2; 2.25 bits. */
  record Q2_0() implements Block {}

  /** Float4 e2m1 with a power of two for 32: OCP's microscaling. */
  record MXFP4() implements Block {}

  /** Float4 e2m1 with an e4m3 scale for 16: NVIDIA's. */
  record NVFP4() implements Block {}

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
        new IQ4_XS(),
        new IQ1_S(),
        new IQ1_M(),
        new IQ2_XXS(),
        new IQ2_XS(),
        new IQ2_S(),
        new IQ3_XXS(),
        new IQ3_S(),
        new TQ1_0(),
        new TQ2_0(),
        new Q1_0(),
        new Q2_0(),
        new MXFP4(),
        new NVFP4());
  }

  /** Every encoding a KV cache may have. */
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
