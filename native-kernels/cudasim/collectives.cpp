// What the lanes of a warp do together, and the half precision arithmetic of the GPU.

#include <cstring>

#ifdef __F16C__
#include <immintrin.h>
#endif

#include "machine.h"

namespace yuzui_sim {

namespace {

#ifdef __aarch64__
using Half = __fp16;
#else
using Half = _Float16;
#endif

struct Shuffle {
  unsigned value;
  int from;
  unsigned result;
};
struct Ballot {
  bool predicate;
  unsigned result;
};
template <class T>
struct Reduce {
  T value;
};
struct Mma {
  float* d;
  const unsigned* a;
  unsigned b0, b1;
};
struct Matrix {
  unsigned* r;
  const unsigned char* row;
};

template <class T, class Op>
void reduce(void** all, Op op) {
  T v[32];
  for (int i = 0; i < 32; i++) v[i] = static_cast<Reduce<T>*>(all[i])->value;
  for (int m = 16; m > 0; m >>= 1) {
    for (int i = 0; i < m; i++) v[i] = op(v[i], v[i + m]);
  }
  for (int i = 0; i < 32; i++) static_cast<Reduce<T>*>(all[i])->value = v[0];
}

using Vector = float __attribute__((vector_size(32)));

// Eight numbers of 16 bits as floats.
template <bool BF16>
Vector widen(const uint16_t* bits) {
  Vector v;
  if constexpr (BF16) {
    for (int i = 0; i < 8; i++) v[i] = yuzui::bf16_float(bits[i]);
  } else {
#ifdef __F16C__
    v = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bits)));
#else
    for (int i = 0; i < 8; i++) v[i] = half_float(bits[i]);
#endif
  }
  return v;
}

// The 16×8×16 product of all lanes' fragments.
template <bool BF16>
void multiply(void** all) {
  alignas(32) uint16_t ah[16][16], bh[16][8];
  alignas(32) float a[16][16];
  alignas(32) float d[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const Mma& m = *static_cast<Mma*>(all[lane]);
    int g = lane / 4, c = lane % 4;
    for (int i = 0; i < 4; i++) std::memcpy(&ah[g + (i & 1) * 8][2 * c + (i >> 1) * 8], &m.a[i], 4);
    std::memcpy(&d[g][2 * c], m.d, 8);
    std::memcpy(&d[g + 8][2 * c], m.d + 2, 8);
    bh[2 * c][g] = (uint16_t)m.b0;
    bh[2 * c + 1][g] = (uint16_t)(m.b0 >> 16);
    bh[2 * c + 8][g] = (uint16_t)m.b1;
    bh[2 * c + 9][g] = (uint16_t)(m.b1 >> 16);
  }
  Vector b[16];
  for (int k = 0; k < 16; k++) b[k] = widen<BF16>(bh[k]);
  for (int row = 0; row < 16; row++) {
    Vector lo = widen<BF16>(ah[row]), hi = widen<BF16>(ah[row] + 8);
    std::memcpy(a[row], &lo, 32);
    std::memcpy(a[row] + 8, &hi, 32);
  }
  // Four rows at a time: one sum alone would wait for itself.
  for (int row = 0; row < 16; row += 4) {
    Vector sum[4];
    std::memcpy(sum, d[row], sizeof sum);
    for (int k = 0; k < 16; k++) {
      for (int r = 0; r < 4; r++) sum[r] += a[row + r][k] * b[k];
    }
    std::memcpy(d[row], sum, sizeof sum);
  }
  for (int lane = 0; lane < 32; lane++) {
    const Mma& m = *static_cast<Mma*>(all[lane]);
    int g = lane / 4, c = lane % 4;
    std::memcpy(m.d, &d[g][2 * c], 8);
    std::memcpy(m.d + 2, &d[g + 8][2 * c], 8);
  }
}

// Rounded to 24 bits with the last bit set when bits were lost, so that a second rounding, to 11 bits, is as if at
// once.
float add_to_odd(float a, float b) {
  volatile float s = a + b;
  volatile float t = s - a;
  float lost = (a - (s - t)) + (b - t);
  unsigned bits = yuzui::float_bits(s);
  if (lost != 0 && !(bits & 1)) bits += (lost > 0) == (s > 0) ? 1 : -1;
  return yuzui::bits_float(bits);
}

}  // namespace

unsigned shuffle_word(unsigned value, int from) {
  Shuffle mine{value, from, 0};
  meet(
      &mine,
      [](void** all) {
        for (int i = 0; i < 32; i++) {
          Shuffle* lane = static_cast<Shuffle*>(all[i]);
          lane->result = static_cast<Shuffle*>(all[lane->from])->value;
        }
      },
      "a shuffle");
  return mine.result;
}

unsigned ballot(bool predicate) {
  Ballot mine{predicate, 0};
  meet(
      &mine,
      [](void** all) {
        unsigned bits = 0;
        for (int i = 0; i < 32; i++) bits |= (unsigned)static_cast<Ballot*>(all[i])->predicate << i;
        for (int i = 0; i < 32; i++) static_cast<Ballot*>(all[i])->result = bits;
      },
      "a ballot");
  return mine.result;
}

float sum(float value) {
  Reduce<float> mine{value};
  meet(&mine, [](void** all) { reduce<float>(all, [](float a, float b) { return a + b; }); }, "a warp's sum");
  return mine.value;
}

int sum(int value) {
  Reduce<int> mine{value};
  meet(&mine, [](void** all) { reduce<int>(all, [](int a, int b) { return a + b; }); }, "a warp's sum");
  return mine.value;
}

float max(float value) {
  Reduce<float> mine{value};
  meet(&mine, [](void** all) { reduce<float>(all, [](float a, float b) { return fmaxf(a, b); }); }, "a warp's maximum");
  return mine.value;
}

void warp_barrier() { meet(nullptr, [](void**) {}, "__syncwarp"); }

void mma(float* d, const unsigned* a, unsigned b0, unsigned b1, bool bf16) {
  Mma mine{d, a, b0, b1};
  if (bf16) {
    meet(&mine, multiply<true>, "mma_bf16");
  } else {
    meet(&mine, multiply<false>, "mma_f16");
  }
}

void load_matrix_transposed(unsigned* r, const void* shared) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0) {
    fail(ERROR_MISALIGNED_ADDRESS, "load_matrix_transposed from an address that is no multiple of 16");
  }
  check_access(shared, 16, false);
  Matrix mine{r, static_cast<const unsigned char*>(shared)};
  meet(
      &mine,
      [](void** all) {
        uint16_t rows[32][8];
        for (int i = 0; i < 32; i++) std::memcpy(rows[i], static_cast<Matrix*>(all[i])->row, 16);
        for (int i = 0; i < 32; i++) {
          int g = i / 4, c = i % 4;
          for (int m = 0; m < 4; m++) {
            static_cast<Matrix*>(all[i])->r[m] = rows[8 * m + 2 * c][g] | (unsigned)rows[8 * m + 2 * c + 1][g] << 16;
          }
        }
      },
      "load_matrix_transposed");
}

// The bytes are read here and arrive at copy_wait; until then what is there is garbage.
void copy_async(void* shared, const void* global, size_t bytes, bool valid) {
  if (reinterpret_cast<uintptr_t>(shared) % bytes != 0 || (valid && reinterpret_cast<uintptr_t>(global) % bytes != 0)) {
    fail(ERROR_MISALIGNED_ADDRESS, "copy_async with an address that is no multiple of its bytes");
  }
  check_access(shared, bytes, true);
  AsyncCopies& copies = async_copies();
  AsyncCopy copy{shared, {}, bytes, copies.group};
  if (valid) {
    check_access(global, bytes, false);
    std::memcpy(copy.bytes, global, bytes);
  }
  std::memset(shared, 0xff, bytes);
  copies.queue.push_back(copy);
}

void copy_commit() { async_copies().group++; }

void copy_wait(int groups) {
  AsyncCopies& copies = async_copies();
  size_t kept = 0;
  for (const AsyncCopy& copy : copies.queue) {
    if (copy.group < copies.group - groups) {
      std::memcpy(copy.shared, copy.bytes, copy.size);
    } else {
      copies.queue[kept++] = copy;
    }
  }
  copies.queue.resize(kept);
}

float half_float(uint16_t h) {
  Half v;
  std::memcpy(&v, &h, 2);
  return (float)v;
}

uint16_t float_half(float v) {
  if (v != v) return 0x7fff;
  Half h = (Half)v;
  uint16_t bits;
  std::memcpy(&bits, &h, 2);
  return bits;
}

uint16_t float_bf16(float v) {
  if (v != v) return 0x7fff;
  unsigned u = yuzui::float_bits(v);
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

unsigned half2_fma(unsigned a, unsigned b, unsigned c) {
  // The product of two halves is exact as a float.
  float lo = add_to_odd(half_float((uint16_t)a) * half_float((uint16_t)b), half_float((uint16_t)c));
  float hi = add_to_odd(half_float(a >> 16) * half_float(b >> 16), half_float(c >> 16));
  return yuzui::pack_half2(lo, hi);
}

}  // namespace yuzui_sim
