/* Which instruction set runs, and what all of them share. */
#include "../common/grids.h"
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#define NAN_ __builtin_nanf("")
#define ROW(e) (e), (e) * 1.125f, (e) * 1.25f, (e) * 1.375f, (e) * 1.5f, (e) * 1.625f, (e) * 1.75f
#define ROW8(e) ROW(e), (e) * 1.875f
#define SUB(s) (s) * 0.0f, (s) * 0x1p-9f, (s) * 0x2p-9f, (s) * 0x3p-9f, (s) * 0x4p-9f, (s) * 0x5p-9f, (s) * 0x6p-9f, (s) * 0x7p-9f
#define SIGN(s)                                                                                                            \
  SUB(s), ROW8((s) * 0x1p-6f), ROW8((s) * 0x1p-5f), ROW8((s) * 0x1p-4f), ROW8((s) * 0x1p-3f), ROW8((s) * 0x1p-2f),       \
      ROW8((s) * 0x1p-1f), ROW8((s) * 0x1p0f), ROW8((s) * 0x1p1f), ROW8((s) * 0x1p2f), ROW8((s) * 0x1p3f),                \
      ROW8((s) * 0x1p4f), ROW8((s) * 0x1p5f), ROW8((s) * 0x1p6f), ROW8((s) * 0x1p7f), ROW((s) * 0x1p8f), NAN_
const float yz_e4m3[256] = {SIGN(1.0f), SIGN(-1.0f)};

uint8_t yz_e4m3_low[128], yz_e4m3_high[128];

const uint8_t yz_e2m1[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
const uint8_t yz_odd[16] = {17, 19, 21, 23, 25, 27, 29, 31, 15, 13, 11, 9, 7, 5, 3, 1};

uint64_t yz_grid_iq1[2048], yz_grid_iq2_xxs[256], yz_grid_iq2_xs[512], yz_grid_iq2_s[1024];
uint32_t yz_grid_iq3_xxs[256];
uint16_t yz_codes_iq2_xxs[256], yz_codes_iq3_xxs[256];

static void eights(uint64_t* to, const yz_u16* grid, int count, const uint8_t* numbers) {
  for (int i = 0; i < count; i++) {
    to[i] = 0;
    for (int j = 0; j < 8; j++) to[i] |= (uint64_t)numbers[grid[i] >> 2 * j & 3] << 8 * j;
  }
}

static void grids(void) {
  static const uint8_t of_iq1[] = {56, 64, 72}, of_iq2[] = {72, 89, 107};
  static const uint8_t of_iq3_xxs[] = {68, 76, 84, 92, 100, 108, 116, 126};
  eights(yz_grid_iq1, yz_iq1, 2048, of_iq1);
  eights(yz_grid_iq2_xxs, yz_iq2_xxs, 256, of_iq2);
  eights(yz_grid_iq2_xs, yz_iq2_xs, 512, of_iq2);
  eights(yz_grid_iq2_s, yz_iq2_s, 1024, of_iq2);
  for (int i = 0; i < 256; i++) {
    yz_codes_iq2_xxs[i] = yz_iq2_xxs[i];
    yz_codes_iq3_xxs[i] = yz_iq3_xxs[i];
    for (int j = 0; j < 4; j++) yz_grid_iq3_xxs[i] |= (uint32_t)of_iq3_xxs[yz_iq3_xxs[i] >> 3 * j & 7] << 8 * j;
  }
}

static const Kernels* kernels;
int yz_asks;

#if defined(__x86_64__)
/* Not every clang knows it by name. */
static int has_f16c(void) {
  unsigned int a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}
#endif

#ifdef YZ_AVX_VNNI
/* Byte products of 256 bits without AVX-512. */
static int has_avx_vnni(void) {
#ifdef YUZUI_VNNI_OF_AVX512
  return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
  unsigned int a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
}
#elif defined(__aarch64__)
enum arm { ARM_DOT_PRODUCTS, ARM_I8MM, ARM_BF16 };
/* As the system says it: numbers are those of Linux's asm/hwcap.h, which older headers lack. */
static int has(enum arm feature) {
#if defined(__linux__)
  switch (feature) {
    case ARM_DOT_PRODUCTS: return (getauxval(AT_HWCAP) >> 20 & 1) != 0;
    case ARM_I8MM: return (getauxval(AT_HWCAP2) >> 13 & 1) != 0;
    default: return (getauxval(AT_HWCAP2) >> 14 & 1) != 0;
  }
#elif defined(__APPLE__)
  static const char* const names[] = {"hw.optional.arm.FEAT_DotProd", "hw.optional.arm.FEAT_I8MM", "hw.optional.arm.FEAT_BF16"};
  int there = 0;
  size_t size = sizeof there;
  return sysctlbyname(names[feature], &there, &size, NULL, 0) == 0 && there != 0;
#else
  (void)feature;
  return 0;
#endif
}
#endif

static const Kernels* choose(const char* name) {
  const Kernels* all[4];
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bf16")) {
    all[count++] = &yz_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
#ifdef YZ_AVX_VNNI
    if (has_avx_vnni()) all[count++] = &yz_avx2_vnni;
#endif
    all[count++] = &yz_avx2;
  }
#elif defined(__aarch64__)
  if (has(ARM_DOT_PRODUCTS)) {
    if (has(ARM_I8MM) && has(ARM_BF16)) all[count++] = &yz_neon_i8mm;
    all[count++] = &yz_neon;
  }
#endif
  all[count++] = &yz_scalar;
  for (int i = 0; i < count; i++) {
    if (name == NULL || strcmp(name, all[i]->instructions) == 0) return all[i];
  }
  return NULL;
}

/* AMD's processors from family 26, Zen 5, on. */
static int asks(void) {
#if defined(__x86_64__)
  unsigned int a, b, c, d;
  if (__get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && __get_cpuid(1, &a, &b, &c, &d)) {
    return (a >> 8 & 15) == 15 && 15 + (a >> 20 & 255) >= 26;
  }
#endif
  return 0;
}

/*
 * What must be ready before the first call. The library's only constructor: it runs on every processor, and the other files
 * are compiled for instructions that this one may lack.
 */
static __attribute__((constructor)) void begin(void) {
  for (int i = 0; i < 128; i++) {
    uint32_t bits;
    memcpy(&bits, &yz_e4m3[i], 4);
    yz_e4m3_low[i] = (uint8_t)(bits >> 16);
    yz_e4m3_high[i] = (uint8_t)(bits >> 24);
  }
  grids();
  kernels = choose(NULL);
  yz_asks = asks();
}

const char* yz_instructions(void) { return kernels->instructions; }

int yz_use(const char* name) {
  const Kernels* found = choose(name);
  if (found != NULL) kernels = found;
  return found != NULL;
}

static int64_t padded(int64_t cols) { return (cols + YZ_BLOCK - 1) / YZ_BLOCK * YZ_BLOCK; }

int64_t yz_prepared_bytes(int type, int64_t cols) {
  const int64_t k = padded(cols);
  /* numbers: four bytes each; else codes, a scale and a sum for 32, and a sum for 16 */
  return type >= YZ_BF16 ? 4 * k : k + 4 * (k / YZ_GROUP) + 4 * (k / YZ_GROUP) + 4 * (k / 16);
}

static void prepare(int type, const float* x, int64_t cols, uint8_t* prepared) {
  const int64_t k = padded(cols);
  if (type >= YZ_BF16) {
    if (type == YZ_F16) {
      memcpy(prepared, x, (size_t)cols * 4);
    } else {
      kernels->pairs(x, cols, prepared);
    }
    const int64_t written = type == YZ_F16 ? cols : (cols + 1) / 2 * 2;
    memset(prepared + written * 4, 0, (size_t)(k - written) * 4);
    return;
  }
  int8_t* q = (int8_t*)prepared;
  float* d = (float*)(prepared + k);
  float* sum32 = d + k / YZ_GROUP;
  int32_t* sum16 = (int32_t*)(sum32 + k / YZ_GROUP);
  /* columns that share a scale are the weights' blocks: whole ones, as many as there are, and products read no others */
  const int64_t block = type >= YZ_Q4_K && type <= YZ_Q3_K ? YZ_BLOCK : YZ_GROUP;
  for (int64_t c = 0; c < cols; c += block) {
    const float scale = kernels->quantize(x + c, (int)block, q + c, sum16 + c / 16);
    for (int64_t g = c / YZ_GROUP; g < (c + block) / YZ_GROUP; g++) {
      d[g] = scale;
      sum32[g] = (float)(sum16[2 * g] + sum16[2 * g + 1]);
    }
  }
}

void yz_prepare(int type, const float* x, int64_t stride, int64_t heads, int64_t head_stride, int64_t first, int64_t last,
                int64_t cols, uint8_t* prepared, int64_t bytes) {
  for (int64_t i = first; i < last; i++) {
    prepare(type, x + i / heads * stride + i % heads * head_stride, cols, prepared + i * bytes);
  }
}

int64_t yz_first_above(const float* x, int64_t from, int64_t count, float least) {
  int64_t i = from;
  for (; i + 32 <= count; i += 32) {
    int any = 0;
    for (int j = 0; j < 32; j++) any |= x[i + j] > least;
    if (any) break;
  }
  while (i < count && !(x[i] > least)) i++;
  return i;
}

void yz_product(int type, const uint8_t* packed, int64_t rows, int64_t cols, int64_t first, int64_t last,
                const uint8_t* const* x, int n, float* const* out) {
  kernels->product[type](packed, rows, cols, first, last, x, n, out);
}

void yz_silu_mul(const float* gate, const float* up, float* out, int64_t count) { kernels->silu_mul(gate, up, out, count); }

void yz_rms_norm(const float* x, const float* weight, float eps, int64_t count, float* out) {
  kernels->rms_norm(x, weight, eps, count, out);
}

void yz_zero(float* x, int64_t count) { memset(x, 0, (size_t)count * 4); }

void yz_add(const float* a, const float* b, float* out, int64_t count) { kernels->add(a, b, out, count); }

void yz_add_scaled(const float* x, float by, float* out, int64_t count) { kernels->add_scaled(x, by, out, count); }

void yz_dots(const float* w, int64_t stride, int64_t rows, int64_t cols, const float* const* x, int n, float* const* out) {
  kernels->dots(w, stride, rows, cols, x, n, out);
}

/* Of more than eight, lanes are better filled by queries. */
int yz_few(int queries) { return kernels->attend_few != NULL && queries <= 8; }

void yz_turn(const float* q, int queries, int width, float scale, int few, float* turned) {
  const float unit = scale * 1.44269504088896340736f;
  if (few) {
    for (int64_t i = 0; i < (int64_t)queries * width; i++) turned[i] = q[i] * unit;
    return;
  }
  for (int i = 0; i < width; i++) {
    for (int j = queries / 4 * 4; j < 16; j++) turned[16 * i + j] = j < queries ? q[(int64_t)j * width + i] : 0;
  }
  for (int i = 0; i < width; i += 4) {
    for (int j = 0; j + 4 <= queries; j += 4) yz_transpose(q + (int64_t)j * width + i, width, turned + 16 * i + j, 16);
  }
  for (int64_t i = 0; i < 16 * (int64_t)width; i++) turned[i] *= unit;
}

/* A block of entries, and sums of sixteen queries. */
int64_t yz_attend_bytes(int width) { return 32 * 4 * (int64_t)(width + 16) + 16 * 4 * (int64_t)width + 64; }

void yz_attend(int cache, const float* turned, int queries, int few, const YzPages* pages, int64_t first, const int64_t* last,
               int width, int keys, int values_at, int values, float* part, uint8_t* work) {
  const YzSpan span = {width, keys, values_at, values};
  float* state = part + 16 * (int64_t)values;
  memset(part, 0, (size_t)values * 64);
  for (int j = 0; j < 16; j++) {
    state[j] = -__builtin_inff();
    state[16 + j] = 0;
  }
  float* tile = (float*)(((uintptr_t)work + 63) & ~(uintptr_t)63);
  if (few) {
    kernels->attend_few(cache, turned, queries, pages, first, last, &span, part, state, tile);
  } else {
    kernels->attend(cache, turned, pages, first, last, &span, part, state, tile);
  }
}

void yz_merge(const float* parts, int64_t stride, int count, int queries, int values, float* out) {
  kernels->merge(parts, stride, count, queries, values, out);
}

static int64_t expansion(const YzHeads* s, int64_t rows, uint8_t* work, Expansion* x) {
  const int64_t count = yz_lanes((int)rows), nope = yz_lanes(s->nope), value = yz_lanes(s->value);
  const int64_t sizes[] = {nope * s->lkv,
                           value * s->lkv,
                           count * (s->nope + s->rope),
                           count * s->value,
                           2 * count,
                           count,
                           YZ_EXPANDED_ENTRIES * (int64_t)(s->lkv + s->rope + 16),
                           YZ_EXPANDED_ENTRIES * (nope + s->rope + 16),
                           YZ_EXPANDED_ENTRIES * (value + 16),
                           YZ_EXPANDED_ENTRIES * 32};
  float* at[10];
  int64_t used = 0;
  for (int i = 0; i < 10; i++) {
    if (work != NULL) at[i] = (float*)(((uintptr_t)work + 63) & ~(uintptr_t)63) + used;
    used += (sizes[i] + 15) / 16 * 16;
  }
  if (work != NULL) *x = (Expansion){at[0], at[1], at[2], at[3], at[4], (int32_t*)at[5], at[6], at[7], at[8], at[9]};
  return 4 * used + 64;
}

int64_t yz_expanded_bytes(int nope, int rope, int value, int lkv, int64_t count) {
  const YzHeads heads = {nope, rope, value, lkv, 0};
  return expansion(&heads, count, NULL, NULL);
}

void yz_expanded(int cache, const YzHeads* heads, const YzRows* rows, const YzPages* pages, uint8_t* work) {
  Expansion x;
  expansion(heads, rows->count, work, &x);
  kernels->expanded(cache, heads, rows, pages, &x);
}

int64_t yz_index_turned_bytes(int heads, int width) { return 4 * (int64_t)yz_lanes(heads) * (width + 1); }

void yz_index_turn(const float* q, const float* weights, int heads, int width, float* turned) {
  kernels->index_turn(q, weights, heads, width, turned);
}

/* Entries and their products. */
int64_t yz_index_bytes(int width) { return 32 * 4 * (int64_t)(width + 16 + 32) + 64; }

void yz_index_scores(int cache, const float* turned, int heads, int width, float scale, const YzPages* pages, int64_t first,
                     int64_t last, float* scores, uint8_t* work) {
  float* tile = (float*)(((uintptr_t)work + 63) & ~(uintptr_t)63);
  kernels->index_scores(cache, turned, heads, width, scale, pages, first, last, scores, tile);
}
