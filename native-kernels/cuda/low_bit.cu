// Formats of few bits: products of few rows, plain products, and from a file's rows to tiles and back.
#include "low_bit.cuh"
#include "matmul.cuh"
#include "matvec.cuh"
#include "repack.cuh"

namespace yuzui {
namespace {

// A scale and, where there are two a unit, the other, of units 2c and 2c + 1 of rows g and g + 8.
template <class F>
struct Scales<Grid<F>> {
  using Q = Grid<F>;
  static constexpr int PER = 2 * F::GROUPS;
  u16 d[2];
  GridScales own[2];
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = lane() / 4 + 8 * half;
      d[half] = Q::HAS_D ? (u16)read_u16(tile + Q::D_AT + 2 * r) : (u16)0;
      own[half] = Q::scales_of(tile, r);
    }
  }
  __device__ __forceinline__ Affine get(const typename Q::Raw& raw, int half, int i) const {
    const GridWords w = raw.row[half].words(i / F::GROUPS);
    return {F::scale(half_float(d[half]), own[half], w.bits, w.high, lane() % 4 * 2 + i / F::GROUPS, i % F::GROUPS), 0};
  }
};

template <int SIZE>
struct Scales<Fp4<SIZE>> {
  using Q = Fp4<SIZE>;
  static constexpr int PER = 2 * Q::GROUPS;
  unsigned s[2];  // a byte each
  __device__ __forceinline__ void load(const u8* tile, int unit, int units, const float*) {
    const int u = 2 * (lane() % 4);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = lane() / 4 + 8 * half;
      s[half] = 0;
      if constexpr (SIZE == 32) {
        const u8* at = tile + (int64_t)u * Q::BYTES + Q::HEADER + r;
        if (unit + u < units) s[half] = at[0];
        if (unit + u + 1 < units) s[half] |= (unsigned)at[Q::BYTES] << 8;
      } else if (unit + u < units) {
        s[half] = *reinterpret_cast<const unsigned*>(tile + (int64_t)(u / 2) * Q::BYTES + Q::HEADER + 4 * r);
      }
    }
  }
  __device__ __forceinline__ Affine get(const typename Q::Raw&, int half, int i) const {
    return {Q::scale(s[half] >> 8 * i & 255), 0};
  }
};

template <int SIZE>
struct Scales<TwoBit<SIZE>> {
  using Q = TwoBit<SIZE>;
  static constexpr int PER = 2;
  u16 d[2];
  __device__ __forceinline__ void load(const u8* tile, int unit, int units, const float*) {
    const int u = 2 * (lane() % 4);
    const u8* header = tile + (int64_t)(u / Q::UNITS) * Q::BYTES + Q::HEADER;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      d[half] = unit + u < units ? (u16)read_u16(header + 2 * (lane() / 4 + 8 * half)) : (u16)0;
    }
  }
  __device__ __forceinline__ Affine get(const typename Q::Raw&, int half, int) const { return {half_float(d[half]), 0}; }
};

template <>
struct Scales<Q2K> {
  static constexpr int PER = 4;
  unsigned own[2], d[2];
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = lane() / 4 + 8 * half;
      own[half] = reinterpret_cast<const unsigned*>(tile + Q2K::HEADER)[4 * r + lane() % 4];
      d[half] = reinterpret_cast<const unsigned*>(tile + Q2K::D_AT)[r];
    }
  }
  __device__ __forceinline__ Affine get(const Q2K::Raw&, int half, int i) const {
    return Q2K::affine_of(d[half], own[half] >> 8 * i);
  }
};

template <>
struct Scales<Q3K> {
  static constexpr int PER = 4;
  unsigned own[2];
  u16 d[2];
  __device__ __forceinline__ void load(const u8* tile, int, int, const float*) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = lane() / 4 + 8 * half;
      own[half] = Q3K::scales_of(reinterpret_cast<const unsigned*>(tile + Q3K::HEADER + 12 * r), lane() % 4);
      d[half] = (u16)read_u16(tile + Q3K::D_AT + 2 * r);
    }
  }
  __device__ __forceinline__ Affine get(const Q3K::Raw&, int half, int i) const {
    return Q3K::affine_of(d[half], own[half] >> 8 * i);
  }
};

}  // namespace

LOW_BIT_TYPES(MATVEC)
LOW_BIT_TYPES(MATMUL)
LOW_BIT_TYPES(REPACK)

}  // namespace yuzui
