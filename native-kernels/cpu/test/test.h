/* The kernels of yuzui_cpu.h against sums in double precision, on memory whose neighbours cannot be touched. */
#ifndef YUZUI_TEST_H
#define YUZUI_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../yuzui_cpu.h"

/* A generator with a period long enough (splitmix64). */
typedef struct { uint64_t state; } Random;
uint64_t bits(Random* r);
int below(Random* r, int n);
double normal(Random* r);

/* Memory that lasts until `freed`: its last byte, or its first, is beside a page that faults. It begins at a multiple of `align`, and
 * is filled with bytes that are NaN as F32, F16 and BF16. */
void* guarded(Random* r, int64_t bytes, int align);
float* guarded_floats(Random* r, int64_t count);
void freed(void);

/* Floats of a kind: normal; with zeros among them; of magnitudes between 1e-8 and 1e8; all zero; one great one; denormals; the
 * greatest. */
enum { KINDS = 7 };
void fill(Random* r, int kind, float* x, int64_t count);

/* Counts a wrong result, and says the first of them. */
void wrong(const char* format, ...) __attribute__((format(printf, 1, 2)));
extern const char* instructions;
/* Whether `got` is as near to `want` as `allowed`. */
void near(double want, double got, double allowed, const char* what, const char* name, int64_t i, int64_t j);

/* The formats: see decode.c. */
typedef struct {
  const char* name;
  int columns, bytes; /* of a block */
  int block;          /* columns that share an activation's scale; 0: numbers */
} Format;
extern const Format FORMATS[YZ_TYPES];
/* The numbers of a row, and for each the magnitude that its rounding errors are measured by. */
void decode(int type, const uint8_t* row, const float* scales, int64_t cols, double* w, double* size);
/* Random blocks, with scales that are tame, or whatever bits a scale may have (kind 1), all codes alike (2), all zero (3). */
void random_rows(Random* r, int type, int kind, int64_t rows, int64_t cols, uint8_t* to);

/* Rows in an encoding of a cache; and back. */
int64_t cache_bytes(int cache, int64_t count);
void cache_encode(int cache, const float* x, int64_t count, uint8_t* to);
double cache_decode(int cache, const uint8_t* from, int64_t i);

void test_products(Random* r);
void test_rows(Random* r);
void test_attention(Random* r);
void test_expanded(Random* r);
void test_index(Random* r);

#endif
