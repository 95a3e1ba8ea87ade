// Products of many rows: formats of few bits.
#include "gemm.cuh"
#include "low_bit.cuh"

namespace yuzui {
namespace {

// The rows' words of a pair of units are shared by the lanes of four.
template <class F>
struct Pair<Grid<F>> {
  using Q = Grid<F>;
  typename Q::Two row[2];
  __device__ __forceinline__ void load(const u8* strip, int p, int) {
    const u8* pair = strip + p / 4 * (int64_t)Q::BYTES + p % 4 * Q::PAIR;
#pragma unroll
    for (int half = 0; half < 2; half++) row[half].take(pair, lane() / 4 + 8 * half, [](auto at) { return *at; });
  }
  static constexpr int SLOT = Q::PAIR / 32;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    const u8* pair = strip + p / 4 * (int64_t)Q::BYTES + p % 4 * Q::PAIR;
    if (lane() < Q::PAIR / 16) copy_async(stage + 16 * lane(), pair + 16 * lane(), inside);
  }
  __device__ __forceinline__ void take(const u8* stage) {
#pragma unroll
    for (int half = 0; half < 2; half++) row[half].take(stage, lane() / 4 + 8 * half, [](auto at) { return *at; });
  }
  __device__ __forceinline__ void codes(int u, const u16* grid, unsigned (&a)[2][4]) const {
    Q::decode({row[0].words(u), row[1].words(u)}, grid, a);
  }
};

template <int SIZE>
struct Pair<Fp4<SIZE>> {
  using Q = Fp4<SIZE>;
  uint2 q[PAIR];
  __device__ __forceinline__ void load(const u8* strip, int p, int units) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      q[u] = PAIR * p + u < units ? Q::unit_at(strip, PAIR * p + u)[lane()] : make_uint2(0, 0);
    }
  }
  static constexpr int SLOT = 8 * PAIR;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int units, bool inside) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) {
      copy_async<8>(stage + (32 * u + lane()) * 8, Q::unit_at(strip, PAIR * p + u) + lane(), inside && PAIR * p + u < units);
    }
  }
  __device__ __forceinline__ void take(const u8* stage) {
#pragma unroll
    for (int u = 0; u < PAIR; u++) q[u] = reinterpret_cast<const uint2*>(stage)[32 * u + lane()];
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const {
    e2m1_to_half(q[u].x, a[0]);
    e2m1_to_half(q[u].y, a[1]);
  }
};

// Words of two bits a weight, of two units: a lane's lie together.
template <class Q>
struct PairOfTwos {
  uint2 q;
  __device__ __forceinline__ static const uint2* at(const u8* strip, int p) {
    const int u = PAIR * p % Q::UNITS;
    const u8* tile = strip + (int64_t)(PAIR * p / Q::UNITS) * Q::BYTES;
    return reinterpret_cast<const uint2*>(tile + 4 * Q::word_of(u, lane()));
  }
  __device__ __forceinline__ void load(const u8* strip, int p, int) { q = *at(strip, p); }
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int, bool inside) {
    copy_async<8>(stage + 8 * lane(), at(strip, p), inside);
  }
  __device__ __forceinline__ void take(const u8* stage) { q = reinterpret_cast<const uint2*>(stage)[lane()]; }
};
template <int SIZE>
struct Pair<TwoBit<SIZE>> : PairOfTwos<TwoBit<SIZE>> {
  static constexpr int SLOT = 8;
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const { TwoBit<SIZE>::step(u ? this->q.y : this->q.x, a); }
};
template <>
struct Pair<Q2K> : PairOfTwos<Q2K> {
  static constexpr int SLOT = 8;
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const { Q2K::step(u ? q.y : q.x, a); }
};
template <>
struct Pair<Q3K> : PairOfTwos<Q3K> {
  unsigned high;
  __device__ __forceinline__ static const u8* high_at(const u8* strip, int p) {
    return strip + p / 4 * (int64_t)Q3K::BYTES + Q3K::HIGH + 16 * lane() + 4 * (p % 4);
  }
  __device__ __forceinline__ void load(const u8* strip, int p, int units) {
    PairOfTwos::load(strip, p, units);
    high = *reinterpret_cast<const unsigned*>(high_at(strip, p));
  }
  static constexpr int SLOT = 12;
  __device__ __forceinline__ static void bring(u8* stage, const u8* strip, int p, int units, bool inside) {
    PairOfTwos::bring(stage, strip, p, units, inside);
    copy_async<4>(stage + 256 + 4 * lane(), high_at(strip, p), inside);
  }
  __device__ __forceinline__ void take(const u8* stage) {
    PairOfTwos::take(stage);
    high = reinterpret_cast<const unsigned*>(stage + 256)[lane()];
  }
  __device__ __forceinline__ void codes(int u, unsigned (&a)[2][4]) const { Q3K::step(u ? q.y : q.x, high, u, a); }
};

}  // namespace

LOW_BIT_TYPES(GEMM)

}  // namespace yuzui
