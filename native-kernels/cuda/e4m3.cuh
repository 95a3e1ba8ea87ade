// float8_e4m3fn in bits: 4 bits of exponent with bias 7, 3 of mantissa, no infinities, 0x7f and 0xff are NaN.
#pragma once

#include "device.cuh"

namespace yuzui {

// The nearest code, ties to even; beyond ±448, infinities too, ±448; NaN stays NaN.
__device__ __forceinline__ unsigned e4m3_encode(float v) {
  const unsigned bits = float_bits(v);
  const unsigned sign = bits >> 24 & 0x80;
  const unsigned size = bits & 0x7fffffff;
  unsigned code;
  if (size > 0x7f800000) {
    code = 0x7f;
  } else if (size >= 0x43e00000) {  // 448
    code = 0x7e;
  } else if (size >= 0x3c800000) {  // 2^-6, the smallest normal number
    code = ((size + 0x7ffff + (size >> 20 & 1)) >> 20) - ((127 - 7) << 3);
  } else {
    // Steps of 2^-9, which is what a float of 2^14 has: its addition rounds.
    code = float_bits(bits_float(size) + 16384.0f) - 0x46800000;
  }
  return sign | code;
}

__device__ __forceinline__ float e4m3_decode(unsigned code) {
  const unsigned size = code & 0x7f;
  const unsigned sign = (code & 0x80) << 24;
  if (size == 0x7f) return bits_float(0x7fc00000 | sign);
  // The bits read as a float have its bias, 127, for 7.
  const float v = bits_float(size << 20) * bits_float((127u + 120) << 23);
  return sign ? -v : v;
}

}  // namespace yuzui
