// Activations as the B of an mma, in the order of weights.cuh: 32 numbers of a unit lie so that lane c of a group of four
// finds its eight, (j, i) = (0, 0 … 3), (1, 0 … 3), in one piece at 8c.
#pragma once

#include "weights.cuh"

namespace yuzui {

// Four numbers from p on, of which `valid` exist; 0 for the others.
__device__ __forceinline__ float4 read4(const float* p, int valid) {
  if (valid >= 4 && (reinterpret_cast<u64>(p) & 15) == 0) return *reinterpret_cast<const float4*>(p);
  return make_float4(valid > 0 ? p[0] : 0, valid > 1 ? p[1] : 0, valid > 2 ? p[2] : 0, valid > 3 ? p[3] : 0);
}

__device__ __forceinline__ float largest(float4 v) {
  return fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
}

// A power of two that brings numbers up to `magnitude` below 2^12, and its inverse: F16 then has 24 more octaves below.
struct PowerOfTwo {
  float scale, inverse;
};
__device__ __forceinline__ PowerOfTwo f16_range(float magnitude) {
  const int exponent = (int)(float_bits(magnitude) >> 23 & 255);  // magnitude < 2^(exponent − 126)
  if (exponent < 20 || exponent > 250) return {1, 1};             // zero and near it; infinity and NaN stay what they are
  return {bits_float((unsigned)(127 + 138 - exponent) << 23), bits_float((unsigned)(127 - 138 + exponent) << 23)};
}

}  // namespace yuzui
