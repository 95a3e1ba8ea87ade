/* What an instruction set offers to dispatch.c. */
#ifndef YUZUI_KERNELS_H
#define YUZUI_KERNELS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "strips.h"
#include "yuzui_cpu.h"

typedef void (*Product)(const uint8_t* packed, int64_t rows, int64_t cols, int64_t first, int64_t last,
                        const uint8_t* const* x, int n, float* const* out);

/* Memory of yz_expanded; LANES are those of an instruction set, 32 at most. */
typedef struct {
  float* key_up;   /* [nope / LANES][lkv][LANES] */
  float* value_up; /* [value / LANES][lkv][LANES] */
  float* q;        /* [rows / LANES][nope + rope][LANES], in units of 2^x */
  float* sums;     /* [rows / LANES][value][LANES] */
  float* state;    /* [rows / LANES]: maxima [LANES], sums of weights [LANES] */
  int32_t* lengths;
  float *entries, *keys, *values; /* of a block, a line more a row, or rows would compete for the same sets */
  float* scores;                  /* [entries][LANES] */
} Expansion;

/* Entries whose keys and values are rebuilt at a time: a word of YzRows.chosen. */
#define YZ_EXPANDED_ENTRIES 64

/* n, or a little more: a multiple of every LANES. */
static inline int yz_lanes(int n) { return (n + 31) / 32 * 32; }

typedef float Four __attribute__((vector_size(16), aligned(4)));

#ifdef __clang__
#define YZ_MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t FourInts __attribute__((vector_size(16)));
#define YZ_MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, (FourInts){i, j, k, l})
#endif

/* to[j][i] = from[i][j] for i, j < 4; strides in floats. */
static inline void yz_transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  const Four a = *(const Four*)from, b = *(const Four*)(from + from_stride);
  const Four c = *(const Four*)(from + 2 * from_stride), d = *(const Four*)(from + 3 * from_stride);
  const Four ab0 = YZ_MIX(a, b, 0, 4, 1, 5), ab2 = YZ_MIX(a, b, 2, 6, 3, 7);
  const Four cd0 = YZ_MIX(c, d, 0, 4, 1, 5), cd2 = YZ_MIX(c, d, 2, 6, 3, 7);
  *(Four*)to = YZ_MIX(ab0, cd0, 0, 1, 4, 5);
  *(Four*)(to + to_stride) = YZ_MIX(ab0, cd0, 2, 3, 6, 7);
  *(Four*)(to + 2 * to_stride) = YZ_MIX(ab2, cd2, 0, 1, 4, 5);
  *(Four*)(to + 3 * to_stride) = YZ_MIX(ab2, cd2, 2, 3, 6, 7);
}

typedef struct {
  const char* instructions;
  Product product[YZ_TYPES];
  /* Columns of x for BF16 and FP8 weights, eight bytes for two; zero for the second of the last two if their count is odd. */
  void (*pairs)(const float* x, int64_t cols, uint8_t* prepared);
  /* 32 or 256 columns: codes, the sums of each 16, and their scale. */
  float (*quantize)(const float* x, int count, int8_t* q, int32_t* sum16);
  /* See attention.inc and yz_attend, yz_merge. state: a part's maxima and sums of weights. */
  void (*attend)(int cache, const float* q, const YzPages* pages, int64_t from, const int64_t* last, const YzSpan* span,
                 float* sum, float* state, float* tile);
  /* See attention_few.inc; NULL where `attend` is as good. */
  void (*attend_few)(int cache, const float* q, int queries, const YzPages* pages, int64_t from, const int64_t* last,
                     const YzSpan* span, float* part, float* state, float* tile);
  void (*merge)(const float* parts, int64_t stride, int count, int queries, int values, float* out);
  /* See expanded.inc. */
  void (*expanded)(int cache, const YzHeads* heads, const YzRows* rows, const YzPages* pages, const Expansion* memory);
  /* See index.inc and yz_index_scores. */
  void (*index_turn)(const float* q, const float* weights, int heads, int width, float* turned);
  void (*index_scores)(int cache, const float* turned, int heads, int width, float scale, const YzPages* pages, int64_t first,
                       int64_t last, float* scores, float* tile);
  /* See rows.inc and yz_silu_mul and its neighbours. */
  void (*silu_mul)(const float* gate, const float* up, float* out, int64_t count);
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t count, float* out);
  void (*add)(const float* a, const float* b, float* out, int64_t count);
  void (*add_scaled)(const float* x, float by, float* out, int64_t count);
  void (*dots)(const float* w, int64_t stride, int64_t rows, int64_t cols, const float* const* x, int n, float* const* out);
} Kernels;

/* Whether this processor foresees so little of a stream that it pays to ask for all of it (Zen 5: a vector meets Q4_K with 68
 * instead of 48 GB/s, a pair Q6_K with 44 instead of 29). */
extern int yz_asks;

/* Byte products of 256 bits (AVX-VNNI), of which older compilers know nothing. */
#if defined(__x86_64__) && (__GNUC__ >= 11 || __clang_major__ >= 12)
#define YZ_AVX_VNNI 1
#endif

extern const Kernels yz_scalar, yz_avx2, yz_avx2_vnni, yz_avx512, yz_neon, yz_neon_i8mm;

/* The grids of common/grids.h, an entry's numbers as bytes, the first the lowest; of yz_iq1 8·g + 64, of the others plus 64. */
extern uint64_t yz_grid_iq1[2048], yz_grid_iq2_xxs[256], yz_grid_iq2_xs[512], yz_grid_iq2_s[1024];
extern uint32_t yz_grid_iq3_xxs[256];
/* The same of two as they are in common/grids.h, of eight numbers of two bits and of four numbers of three. */
extern uint16_t yz_codes_iq2_xxs[256], yz_codes_iq3_xxs[256];

/* Of codes of four bits, plus 16: twice the numbers of float4_e2m1; odd numbers and a sign (IQ3_S). */
extern const uint8_t yz_e2m1[16], yz_odd[16];

/* Eight signs of which seven are given: their number is even. */
static inline uint8_t yz_eight_signs(uint32_t seven) { return (uint8_t)(seven | (uint32_t)__builtin_parity(seven) << 7); }

/* Formats of few bits, into a tile: see pack_few.c. */
void yz_pack_few(int type, const uint8_t* const* rows, uint8_t* to);

/* Value of a float8_e4m3fn code; codes of NaN give NaN. */
extern const float yz_e4m3[256];
/* Bytes of the 128 magnitudes of e4m3 as BF16, exact. */
extern uint8_t yz_e4m3_low[128], yz_e4m3_high[128];

#endif
