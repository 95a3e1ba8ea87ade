package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import java.util.Optional;

/** Formats that are put into strips, in the order of {@code yz_type} in yuzui_cpu.h. */
enum StripType {
  Q4_0(Activations.BLOCKS_OF_32),
  Q4_1(Activations.BLOCKS_OF_32),
  Q5_0(Activations.BLOCKS_OF_32),
  Q5_1(Activations.BLOCKS_OF_32),
  Q8_0(Activations.BLOCKS_OF_32),
  IQ4_NL(Activations.BLOCKS_OF_32),
  Q4_K(Activations.BLOCKS_OF_256),
  Q5_K(Activations.BLOCKS_OF_256),
  Q6_K(Activations.BLOCKS_OF_256),
  IQ4_XS(Activations.BLOCKS_OF_256),
  IQ1_S(Activations.BLOCKS_OF_256),
  IQ1_M(Activations.BLOCKS_OF_256),
  IQ2_XXS(Activations.BLOCKS_OF_256),
  IQ2_XS(Activations.BLOCKS_OF_256),
  IQ2_S(Activations.BLOCKS_OF_256),
  IQ3_XXS(Activations.BLOCKS_OF_256),
  IQ3_S(Activations.BLOCKS_OF_256),
  TQ1_0(Activations.BLOCKS_OF_256),
  TQ2_0(Activations.BLOCKS_OF_256),
  Q2_K(Activations.BLOCKS_OF_256),
  Q3_K(Activations.BLOCKS_OF_256),
  Q1_0(Activations.BLOCKS_OF_32),
  Q2_0(Activations.BLOCKS_OF_32),
  MXFP4(Activations.BLOCKS_OF_32),
  NVFP4(Activations.BLOCKS_OF_32),
  BF16(Activations.PAIRS),
  F16(Activations.FLOATS),
  FP8(Activations.PAIRS);

  /** Rows that one tile of FP8 scales spans. */
  static final int FP8_TILE = 128;

  /** How activations are prepared: those of one form serve all types that share it. */
  enum Activations {
    /** Codes of eight bits with a scale for each 32. */
    BLOCKS_OF_32,
    BLOCKS_OF_256,
    /** Two BF16 parts, or F32 where there are no BF16 products. */
    PAIRS,
    FLOATS
  }

  final Activations activations;

  StripType(Activations activations) {
    this.activations = activations;
  }

  static Optional<StripType> of(Encoding encoding) {
    return Optional.ofNullable(
        switch (encoding) {
          case Encoding.Q4_0 _ -> Q4_0;
          case Encoding.Q4_1 _ -> Q4_1;
          case Encoding.Q5_0 _ -> Q5_0;
          case Encoding.Q5_1 _ -> Q5_1;
          case Encoding.Q8_0 _ -> Q8_0;
          case Encoding.IQ4_NL _ -> IQ4_NL;
          case Encoding.Q4_K _ -> Q4_K;
          case Encoding.Q5_K _ -> Q5_K;
          case Encoding.Q6_K _ -> Q6_K;
          case Encoding.IQ4_XS _ -> IQ4_XS;
          case Encoding.IQ1_S _ -> IQ1_S;
          case Encoding.IQ1_M _ -> IQ1_M;
          case Encoding.IQ2_XXS _ -> IQ2_XXS;
          case Encoding.IQ2_XS _ -> IQ2_XS;
          case Encoding.IQ2_S _ -> IQ2_S;
          case Encoding.IQ3_XXS _ -> IQ3_XXS;
          case Encoding.IQ3_S _ -> IQ3_S;
          case Encoding.TQ1_0 _ -> TQ1_0;
          case Encoding.TQ2_0 _ -> TQ2_0;
          case Encoding.Q2_K _ -> Q2_K;
          case Encoding.Q3_K _ -> Q3_K;
          case Encoding.Q1_0 _ -> Q1_0;
          case Encoding.Q2_0 _ -> Q2_0;
          case Encoding.MXFP4 _ -> MXFP4;
          case Encoding.NVFP4 _ -> NVFP4;
          case Encoding.Fp8Tiled(int tile) -> tile == FP8_TILE ? FP8 : null;
          case Encoding.Plain(var scalar) ->
              switch (scalar) {
                case BF16 -> BF16;
                case F16 -> F16;
                default -> null;
              };
          default -> null;
        });
  }
}
