// Which rows a block multiplies, and by whose matrix.
#pragma once

#include "weights.cuh"

namespace yuzui {

struct Group {
  int first, count, expert;  // rows first … first + count − 1, none if count <= 0
};

// Eight rows of a dense product: those of block z.
__device__ __forceinline__ Group dense_rows(int z, int rows) {
  const int first = 8 * z;
  return {first, rows - first < 8 ? rows - first : 8, 0};
}

// The expert of sorted place `place`: the last one that begins at or before it. For whole warps.
__device__ __forceinline__ int expert_at(const int* offset, int experts, int place) {
  int begun = 0;
  for (int e = lane(); e < experts; e += 32) begun += offset[e] <= place;
  return warp_sum(begun) - 1;
}

// Up to eight places of one expert: block z takes those from place z on if z is the first of such an eight.
__device__ __forceinline__ Group grouped_rows(int z, const int* offset, int experts) {
  if (z >= offset[experts]) return {0, 0, 0};
  const int e = expert_at(offset, experts, z);
  if ((z - offset[e]) % 8 != 0) return {0, 0, 0};
  const int left = offset[e + 1] - z;
  return {z, left < 8 ? left : 8, e};
}

// The row of x that sorted place i reads: of its token (gather 0) or its own (gather 1).
__device__ __forceinline__ int gathered_row(const int* slot, int used, int gather, int i) {
  return gather == 0 ? slot[i] / used : i;
}

}  // namespace yuzui
