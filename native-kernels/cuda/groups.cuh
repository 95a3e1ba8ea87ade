// Which rows a block multiplies, and by whose matrix.
#pragma once

#include "weights.cuh"

namespace yuzui {

struct Group {
  int first, count, expert;  // rows first … first + count − 1, none if count <= 0
};

// The tokens of tile `tile` of `size`: of a dense product's `rows`, or, with the `offset` of the experts, those of one expert:
// the first expert's tiles come first. Of S places in use of E experts there are at most (S + (size − 1)·min(E, S)) / size.
// For whole warps.
__device__ __forceinline__ Group token_tile(int tile, int size, int rows, const int* offset, int experts) {
  if (offset == nullptr) {
    const int left = rows - tile * size;
    return {tile * size, left < size ? left : size, 0};
  }
  constexpr int AT_ONCE = 8;  // 256 experts whose loads do not wait for each other
  int begun = 0;              // tiles of the experts before
#pragma unroll 1
  for (int from = 0; from < experts; from += 32 * AT_ONCE) {
    int first[AT_ONCE], count[AT_ONCE];
    int place = -1, left = 0, expert = 0;  // in the lane whose expert has the tile
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int e = from + 32 * i + lane();
      first[i] = e < experts ? offset[e] : 0;
      count[i] = e < experts ? offset[e + 1] - first[i] : 0;
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
      const int tiles = ceil_div(count[i], size);
      int upto = tiles;  // inclusive sum over the lanes
#pragma unroll
      for (int m = 1; m < 32; m *= 2) {
        const int more = shuffle_up(upto, m);
        if (lane() >= m) upto += more;
      }
      const int mine = tile - begun - (upto - tiles);
      if (mine >= 0 && mine < tiles) {
        place = first[i] + mine * size;
        left = count[i] - mine * size;
        expert = from + 32 * i + lane();
      }
      begun += shuffle(upto, 31);
    }
    const unsigned found = ballot(place >= 0);
    if (found != 0) {
      int owner = 0;
      while (!(found >> owner & 1)) owner++;
      left = shuffle(left, owner);
      return {shuffle(place, owner), left < size ? left : size, shuffle(expert, owner)};
    }
  }
  return {0, 0, 0};
}

// The rows of a tile of a product of few rows: eight, or all T tokens where there are fewer, for an expert has no more
// of them.
__device__ __forceinline__ int few_rows(int T) { return T < 8 ? T : 8; }

// The row of x that sorted place i reads: of its token (gather 0) or its own (gather 1).
__device__ __forceinline__ int gathered_row(const int* slot, int used, int gather, int i) {
  return gather == 0 ? slot[i] / used : i;
}

}  // namespace yuzui
