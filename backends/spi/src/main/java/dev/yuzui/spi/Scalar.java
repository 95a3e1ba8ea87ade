package dev.yuzui.spi;

/** Element types of unquantised tensors. */
public enum Scalar {
  F32(4),
  F16(2),
  BF16(2),
  /** float8_e4m3fn: no infinities, at most 448. */
  E4M3(1),
  I32(4);

  private final int bytes;

  Scalar(int bytes) {
    this.bytes = bytes;
  }

  public int bytes() {
    return bytes;
  }
}
