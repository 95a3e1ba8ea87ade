/* Times kernels on each instruction set of this processor in turn, in processor time, so that others on the machine count little:
 * arguments: rounds. Prints nanoseconds, medians of the rounds, and how many times those of the first set; scripts/bench-instructions
 * builds it. */
#define _POSIX_C_SOURCE 199309L
#include <time.h>

#include "../../native-kernels/cpu/test/test.h"

enum { MOST_ROUNDS = 64, SETS = 5, VECTORS = 64 };
static const char* const SET_NAMES[SETS] = {"avx2", "avx2-vnni", "avx512-vnni", "neon-dotprod", "neon-i8mm-bf16"};

uint64_t bits(Random* r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  return z ^ z >> 31;
}
int below(Random* r, int n) { return (int)(bits(r) % (uint64_t)n); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static void* memory(int64_t bytes) {
  uint8_t* at = malloc((size_t)bytes + 64);
  if (at == NULL) abort();
  memset(at, 0, (size_t)bytes + 64);
  return at + (64 - (uintptr_t)at % 64) % 64;
}
static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/* What is timed, on what is ready for the set in use. */
typedef struct {
  int type, n;
  int64_t rows, cols;
  uint8_t *file, *packed, *prepared;
  float *x, *out;
  YzPages pages;
  uint8_t* work;
} Case;

static void prepare(const Case* c) {
  yz_prepare(c->type, c->x, c->cols, 1, 0, 0, c->n, c->cols, c->prepared, yz_prepared_bytes(c->type, c->cols));
}
static void multiply(const Case* c) {
  const uint8_t* in[VECTORS];
  float* out[VECTORS];
  for (int i = 0; i < c->n; i++) {
    in[i] = c->prepared + i * yz_prepared_bytes(c->type, c->cols);
    out[i] = c->out + i * c->rows;
  }
  yz_product(c->type, c->packed, c->rows, c->cols, 0, c->rows / 16, in, c->n, out);
}
/* 16 queries over entries of a latent cache. */
static void attend(const Case* c) {
  int64_t last[16];
  for (int i = 0; i < 16; i++) last[i] = c->rows;
  yz_attend(c->type, c->x, 16, 0, &c->pages, 0, last, 576, 576, 0, 512, c->out, c->work);
}

static void compare(const char* name, int rounds, const Case* c, void (*ready)(const Case*), void (*run)(const Case*)) {
  double times[SETS][MOST_ROUNDS], ratios[MOST_ROUNDS];
  int there[SETS];
  for (int r = 0; r < rounds; r++) {
    for (int s = 0; s < SETS; s++) {
      if (!(there[s] = yz_use(SET_NAMES[s]))) continue;
      if (ready != NULL) ready(c);
      run(c);
      int times_run = 0;
      const double from = now();
      double took;
      do {
        run(c);
        times_run++;
        took = now() - from;
      } while (took < 5e6);
      times[s][r] = took / times_run;
    }
  }
  printf("%-24s", name);
  int first = -1;
  for (int s = 0; s < SETS; s++) {
    if (!there[s]) continue;
    if (first < 0) first = s;
    for (int r = 0; r < rounds; r++) ratios[r] = times[first][r] / times[s][r];
    qsort(ratios, (size_t)rounds, sizeof *ratios, ascending);
    double sorted[MOST_ROUNDS];
    memcpy(sorted, times[s], sizeof(double) * (size_t)rounds);
    qsort(sorted, (size_t)rounds, sizeof *sorted, ascending);
    printf(" | %s %9.0f us %5.2f (%.2f to %.2f)", SET_NAMES[s], sorted[rounds / 2] / 1e3, ratios[rounds / 2], ratios[rounds / 10],
           ratios[rounds - 1 - rounds / 10]);
  }
  printf("\n");
  fflush(stdout);
}

int main(int argc, char** argv) {
  const int asked = argc > 1 ? atoi(argv[1]) : 9, rounds = asked < 1 ? 1 : asked > MOST_ROUNDS ? MOST_ROUNDS : asked;
  Random r = {1};
  static const int types[] = {YZ_Q4_K, YZ_Q6_K, YZ_Q5_0, YZ_Q8_0, YZ_IQ4_NL, YZ_IQ2_XXS, YZ_MXFP4, YZ_BF16, YZ_FP8};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    static const int counts[] = {1, 2, 8, 64};
    Case c = {.type = types[i], .rows = 1024, .cols = 2048};
    c.file = memory(c.rows * (c.cols / FORMATS[c.type].columns) * FORMATS[c.type].bytes);
    random_rows(&r, c.type, 0, c.rows, c.cols, c.file);
    float* scales = memory(4 * (c.cols / 128));
    for (int k = 0; k < c.cols / 128; k++) scales[k] = 1;
    c.packed = memory(yz_packed_bytes(c.type, c.rows, c.cols));
    yz_pack(c.type, c.file, scales, c.rows, c.cols, c.packed);
    c.x = memory(4 * VECTORS * c.cols);
    for (int64_t k = 0; k < VECTORS * c.cols; k++) c.x[k] = (float)below(&r, 2001) / 1000 - 1;
    c.prepared = memory(VECTORS * yz_prepared_bytes(c.type, c.cols));
    c.out = memory(4 * VECTORS * c.rows);
    for (int k = 0; k < 4; k++) {
      char name[64];
      c.n = counts[k];
      snprintf(name, sizeof name, "%s x %d", FORMATS[c.type].name, c.n);
      compare(name, rounds, &c, prepare, multiply);
    }
  }
  static const char* const caches[] = {"f32", "f16", "bf16", "e4m3", "q8_0"};
  for (int cache = 0; cache < 5; cache++) {
    Case c = {.type = cache, .rows = 1024};
    const int64_t bytes = cache_bytes(cache, 576);
    uint8_t* entries = memory(c.rows * bytes);
    int32_t* table = memory(4);
    float row[576];
    for (int64_t e = 0; e < c.rows; e++) {
      for (int k = 0; k < 576; k++) row[k] = (float)below(&r, 2001) / 1000 - 1;
      cache_encode(cache, row, 576, entries + e * bytes);
    }
    c.pages = (YzPages){entries, table, c.rows, bytes};
    c.x = memory(4 * 16 * 576);
    for (int k = 0; k < 16 * 576; k++) c.x[k] = (float)below(&r, 2001) / 1e4f;
    c.out = memory(4 * (16 * 512 + 32));
    c.work = memory(yz_attend_bytes(576));
    char name[64];
    snprintf(name, sizeof name, "attention over %s", caches[cache]);
    compare(name, rounds, &c, NULL, attend);
  }
  return 0;
}
