/* What repacking does with 16 rows at a time: words of four bytes change places. */
#ifndef YUZUI_PACK_H
#define YUZUI_PACK_H

#include "kernels.h"

#define EACH_ROW for (int r = 0; r < YZ_ROWS; r++)

typedef int32_t YzQuad __attribute__((vector_size(16)));
typedef uint8_t YzBytes __attribute__((vector_size(16)));

#ifdef __clang__
#define YZ_PAIRED(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#else
#define YZ_PAIRED(a, b) __builtin_shuffle(a, b, (YzBytes){0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23})
#endif

/* Word j of v[i] to word i of the j-th 16 bytes, `step` bytes apart. */
static inline void yz_turn_words(const YzQuad* v, uint8_t* to, int step) {
  const YzQuad ab0 = YZ_MIX(v[0], v[1], 0, 4, 1, 5), ab2 = YZ_MIX(v[0], v[1], 2, 6, 3, 7);
  const YzQuad cd0 = YZ_MIX(v[2], v[3], 0, 4, 1, 5), cd2 = YZ_MIX(v[2], v[3], 2, 6, 3, 7);
  const YzQuad turned[4] = {YZ_MIX(ab0, cd0, 0, 1, 4, 5), YZ_MIX(ab0, cd0, 2, 3, 6, 7), YZ_MIX(ab2, cd2, 0, 1, 4, 5),
                            YZ_MIX(ab2, cd2, 2, 3, 6, 7)};
  for (int i = 0; i < 4; i++) memcpy(to + step * i, &turned[i], 16);
}

/* Vectors of 64 bytes, `step` bytes apart, from `words` words of each of 16 rows, a multiple of four. */
static inline void yz_spread(uint8_t* to, int step, const uint8_t* const* rows, int64_t at, int words) {
  for (int i = 0; i < words; i += 4) {
    for (int r = 0; r < YZ_ROWS; r += 4) {
      YzQuad v[4];
      for (int k = 0; k < 4; k++) memcpy(&v[k], rows[r + k] + at + 4 * i, 16);
      yz_turn_words(v, to + step * i + 4 * r, step);
    }
  }
}

/* Byte j of each row's word to to + 16·j. */
static inline void yz_spread_bytes(uint8_t* to, const uint32_t* words) {
  YzQuad v[4];
  for (int i = 0; i < 4; i++) {
    memcpy(&v[i], words + 4 * i, 16);
    for (int twice = 0; twice < 2; twice++) { /* byte b of row r: from 4r + b to 4b + r */
      v[i] = (YzQuad)YZ_PAIRED((YzBytes)v[i], (YzBytes)YZ_MIX(v[i], v[i], 2, 3, 0, 1));
    }
  }
  yz_turn_words(v, to, 16);
}

static inline void yz_halves(uint8_t* to, const uint8_t* const* rows, int64_t at) {
  EACH_ROW memcpy(to + 2 * r, rows[r] + at, 2);
}

#endif
