/* What a thread can do at most, for the benchmarks to be read beside: memory read, bytes multiplied, floats multiplied.
 * AVX-512 with VNNI where the processor has it, else AVX2. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <stdint.h>
#include <sys/mman.h>

#define LIMITS __attribute__((visibility("default")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define AVX2 __attribute__((target("avx2,fma")))

#define HUGE ((int64_t)2 << 20)

static int wide(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

LIMITS const char* limits_instructions(void) { return wide() ? "avx512-vnni" : "avx2"; }

/* As the CPU backend's weights lie: huge pages, where the system has them. `bytes` is a multiple of 2 MiB; NULL: no memory. */
LIMITS uint8_t* limits_reserve(int64_t bytes) {
  uint8_t* p = mmap(NULL, (size_t)(bytes + HUGE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  uint8_t* from = (uint8_t*)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
  if (from > p) munmap(p, (size_t)(from - p));
  if (from < p + HUGE) munmap(from + bytes, (size_t)(p + HUGE - from));
  madvise(from, (size_t)bytes, MADV_HUGEPAGE);
  for (int64_t i = 0; i < bytes; i += 4096) from[i] = (uint8_t)(i >> 12);
  return from;
}

LIMITS void limits_release(uint8_t* p, int64_t bytes) { munmap(p, (size_t)bytes); }

#define EIGHT(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)

/* Passes over memory once; the result only keeps compilers from leaving it out. `bytes` is a multiple of 512. */
static AVX512 int64_t read_avx512(const uint8_t* p, int64_t bytes) {
#define START(i) __m512i s##i = _mm512_setzero_si512();
#define STEP(i) s##i = _mm512_add_epi64(s##i, _mm512_load_si512(p + at + 64 * i));
#define SUM(i) +_mm512_reduce_add_epi64(s##i)
  EIGHT(START)
  for (int64_t at = 0; at < bytes; at += 512) {
    EIGHT(STEP)
  }
  return EIGHT(SUM);
#undef START
#undef STEP
#undef SUM
}

static AVX2 int64_t read_avx2(const uint8_t* p, int64_t bytes) {
#define START(i) __m256i s##i = _mm256_setzero_si256();
#define STEP(i) s##i = _mm256_add_epi64(s##i, _mm256_load_si256((const __m256i*)(p + at + 32 * i)));
#define SUM(i) +_mm256_extract_epi64(s##i, 0) + _mm256_extract_epi64(s##i, 1) + _mm256_extract_epi64(s##i, 2) + _mm256_extract_epi64(s##i, 3)
  EIGHT(START)
  for (int64_t at = 0; at < bytes; at += 256) {
    EIGHT(STEP)
  }
  return EIGHT(SUM);
#undef START
#undef STEP
#undef SUM
}

LIMITS int64_t limits_read(const uint8_t* p, int64_t bytes) { return wide() ? read_avx512(p, bytes) : read_avx2(p, bytes); }

/* The loops below stay in registers, in chains enough that none waits for its last result; the empty asm statements make
 * compilers compute them all. Results are operations: a product and an addition are two. */
#define TWELVE(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define KEEP(i) __asm__ volatile("" : "+v"(s##i));
#define LOOP(STEP)                         \
  for (int64_t r = 0; r < rounds; r++) {   \
    TWELVE(STEP)                           \
    TWELVE(KEEP)                           \
  }

static AVX512 int64_t int8_avx512(int64_t rounds) {
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
#define START(i) __m512i s##i = _mm512_setzero_si512();
#define STEP(i) s##i = _mm512_dpbusd_epi32(s##i, a, b);
  TWELVE(START)
  LOOP(STEP)
#undef START
#undef STEP
  return rounds * 12 * 64 * 2;
}

static AVX2 int64_t int8_avx2(int64_t rounds) {
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5), one = _mm256_set1_epi16(1);
#define START(i) __m256i s##i = _mm256_setzero_si256();
#define STEP(i)                                            \
  __asm__ volatile("" : "+v"(a));                          \
  s##i = _mm256_add_epi32(s##i, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
  TWELVE(START)
  LOOP(STEP)
#undef START
#undef STEP
  return rounds * 12 * 32 * 2;
}

LIMITS int64_t limits_int8(int64_t rounds) { return wide() ? int8_avx512(rounds) : int8_avx2(rounds); }

static AVX512 int64_t f32_avx512(int64_t rounds) {
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
#define START(i) __m512 s##i = _mm512_setzero_ps();
#define STEP(i) s##i = _mm512_fmadd_ps(a, b, s##i);
  TWELVE(START)
  LOOP(STEP)
#undef START
#undef STEP
  return rounds * 12 * 16 * 2;
}

static AVX2 int64_t f32_avx2(int64_t rounds) {
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
#define START(i) __m256 s##i = _mm256_setzero_ps();
#define STEP(i) s##i = _mm256_fmadd_ps(a, b, s##i);
  TWELVE(START)
  LOOP(STEP)
#undef START
#undef STEP
  return rounds * 12 * 8 * 2;
}

LIMITS int64_t limits_f32(int64_t rounds) { return wide() ? f32_avx512(rounds) : f32_avx2(rounds); }
