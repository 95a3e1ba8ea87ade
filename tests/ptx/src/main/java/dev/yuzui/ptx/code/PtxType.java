package dev.yuzui.ptx.code;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** The fundamental types of PTX that these kernels use. */
public enum PtxType {
  PRED(0),
  B8(1),
  U8(1),
  S8(1),
  B16(2),
  U16(2),
  S16(2),
  F16(2),
  BF16(2),
  B32(4),
  U32(4),
  S32(4),
  F32(4),
  F16X2(4),
  BF16X2(4),
  B64(8),
  U64(8),
  S64(8),
  F64(8);

  private static final Map<String, PtxType> NAMES =
      Arrays.stream(values())
          .collect(Collectors.toUnmodifiableMap(t -> t.name().toLowerCase(Locale.ROOT), t -> t));

  private final int bytes;

  PtxType(int bytes) {
    this.bytes = bytes;
  }

  /** 0 for predicates, which lie in no memory. */
  public int bytes() {
    return bytes;
  }

  public boolean signed() {
    return this == S8 || this == S16 || this == S32 || this == S64;
  }

  /** The bank of registers that hold it. */
  public Bank bank() {
    return switch (bytes) {
      case 0 -> Bank.PREDICATE;
      case 8 -> Bank.LONG;
      default -> Bank.WORD;
    };
  }

  /** As instructions spell it, without the dot. */
  public static PtxType of(String name) {
    PtxType type = NAMES.get(name);
    if (type == null) {
      throw new IllegalArgumentException("PTX: no type is called " + name);
    }
    return type;
  }

  /** Where registers lie: one bit a lane, 32 bits or fewer, 64 bits. */
  public enum Bank {
    PREDICATE,
    WORD,
    LONG
  }
}
