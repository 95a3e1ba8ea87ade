// From a file's rows to tiles, and single rows of tiles back to numbers.
#pragma once

#include "weights.cuh"

namespace yuzui {
namespace {

// Bytes of one number, or 0 where numbers come in blocks.
template <class Q>
constexpr int ELEMENT = IS_FP8<Q> ? 1 : Q::SCALED ? 0 : 2;

template <class Q>
__device__ __forceinline__ int64_t row_bytes(int k) {
  return ELEMENT<Q> ? (int64_t)k * ELEMENT<Q> : (int64_t)(k / Q::TILE_K) * (Q::BYTES / STRIP);
}

template <class Q>
__device__ void repack(const u8* rows, u8* tiles, int n, int k) {
  const int lane = threadIdx.x;
  const int strip = blockIdx.y, kt = blockIdx.x;
  u8* tile = tiles + strip * strip_bytes<Q>(k) + (int64_t)kt * Q::BYTES;
  const int64_t block_offset = (int64_t)kt * (ELEMENT<Q> ? Q::TILE_K * ELEMENT<Q> : Q::BYTES / STRIP);
  if constexpr (IS_GRID<Q>) {
    for (int i = lane; i < STRIP * Q::UNITS; i += 32) {
      const int row = strip * STRIP + i % STRIP;
      Q::pack(tile, i % STRIP, i / STRIP, row < n ? rows + row * row_bytes<Q>(k) + block_offset : nullptr);
    }
  } else {
    for (int u = 0; u < Q::UNITS; u++) {
      for (int j = 0; j < 2; j++) {
        unsigned q[8];
        for (int i = 0; i < 8; i++) {
          const int a = i / 2;
          const int row = strip * STRIP + lane / 4 + 8 * (a & 1);
          const int kk = UNIT * u + 16 * j + lane % 4 * 4 + 2 * (a >> 1) + (i & 1);
          const bool inside = row < n && kt * Q::TILE_K + kk < k;
          q[i] = inside ? Q::code(rows + row * row_bytes<Q>(k) + block_offset, kk) : 0;
        }
        Q::put(tile, u, lane, j, q);
      }
    }
  }
  if constexpr (ELEMENT<Q> == 0) {
    if (lane < STRIP) {
      const int row = strip * STRIP + lane;
      Q::header(tile, lane, row < n ? rows + row * row_bytes<Q>(k) + block_offset : nullptr);
    }
  }
}

template <class Q>
__device__ void embed(const u8* table, const int* row, float* out, int n, int k) {
  const int t = blockIdx.x;
  for (int i = threadIdx.x; i < k; i += blockDim.x) {
    out[(int64_t)t * k + i] = weight_at<Q>(table, n, k, row[t], i);
  }
}

// One unit of the F16 tiles of [heads·p, lkv] from the matrix [heads·lkv, p]: row h·p + i, column l holds row h·lkv + l,
// column i.
template <class Q>
__device__ void transpose_heads(const u8* from, u8* to, int heads, int lkv, int p) {
  const int lane = threadIdx.x;
  const int strips = ceil_div(p, STRIP);
  const int h = blockIdx.y / strips;
  const int base = blockIdx.y % strips * STRIP;
  u8* tile = to + ((int64_t)h * strips + base / STRIP) * strip_bytes<F16>(lkv) + (int64_t)blockIdx.x * F16::BYTES;
  for (int j = 0; j < 2; j++) {
    unsigned q[8];
    for (int i = 0; i < 8; i++) {
      const int a = i / 2;
      const int row = base + lane / 4 + 8 * (a & 1);
      const int col = UNIT * blockIdx.x + 16 * j + lane % 4 * 4 + 2 * (a >> 1) + (i & 1);
      q[i] = row < p && col < lkv ? float_half(weight_at<Q>(from, heads * lkv, p, h * lkv + col, row)) : 0;
    }
    F16::put(tile, 0, lane, j, q);
  }
}

}  // namespace

// repack_<type>: rows [n, k] as they lie in a file, to tiles. grid (⌈k/TILE_K⌉, ⌈n/16⌉), block 32.
// embed_<type>: out[t] = row row[t] of [n, k]. grid T, block 256.
// transpose_heads_<type>: [heads·lkv, p] to F16 tiles of [heads·p, lkv], p a multiple of 16. grid (⌈lkv/32⌉, heads·⌈p/16⌉),
// block 32.
#define REPACK(name, Q)                                                                                             \
  KERNEL(repack_##name, (const u8* rows, u8* tiles, int n, int k)) { begin_kernel(); repack<Q>(rows, tiles, n, k); } \
  KERNEL(embed_##name, (const u8* table, const int* row, float* out, int n, int k)) {                                \
    begin_kernel();                                                                                                  \
    embed<Q>(table, row, out, n, k);                                                                                 \
  }                                                                                                                  \
  KERNEL(transpose_heads_##name, (const u8* from, u8* to, int heads, int lkv, int p)) {                              \
    begin_kernel();                                                                                                  \
    transpose_heads<Q>(from, to, heads, lkv, p);                                                                     \
  }

}  // namespace yuzui
