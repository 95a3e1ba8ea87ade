/* How fast memory is read by so many threads that do nothing else: the limit of a decoder that reads its weights once a token.
 *
 *     read_memory THREADS SECONDS
 *
 * Prints the median of passes over 2 GiB in huge pages, in GB/s. */
#include "../../tests/jmh/src/main/native/limits.c"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES (2L << 30)
#define CHUNK (1L << 20)
#define MOST 1000

static const uint8_t* memory;
static long next;
static int64_t sink;

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void* reads(void* number) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((int)(intptr_t)number, &one);
  sched_setaffinity(0, sizeof one, &one);
  for (;;) {
    const long chunk = __atomic_fetch_add(&next, CHUNK, __ATOMIC_RELAXED);
    if (chunk >= BYTES) break;
    __atomic_fetch_xor(&sink, limits_read(memory + chunk, CHUNK), __ATOMIC_RELAXED);
  }
  return NULL;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int count, char** arguments) {
  const int threads = count == 3 ? atoi(arguments[1]) : 0;
  if (threads < 1 || threads > 256) {
    fprintf(stderr, "usage: read_memory THREADS SECONDS, of 1 to 256 threads\n");
    return 2;
  }
  memory = limits_reserve(BYTES);
  if (memory == NULL) {
    fprintf(stderr, "read_memory: no 2 GiB of memory\n");
    return 1;
  }
  double rates[MOST];
  int passes = 0;
  const double end = seconds() + atof(arguments[2]);
  do {
    next = 0;
    pthread_t team[256];
    const double begin = seconds();
    for (int i = 0; i < threads; i++) pthread_create(&team[i], NULL, reads, (void*)(intptr_t)i);
    for (int i = 0; i < threads; i++) pthread_join(team[i], NULL);
    rates[passes++] = BYTES / (seconds() - begin) / 1e9;
  } while (seconds() < end && passes < MOST);
  qsort(rates, (size_t)passes, sizeof *rates, ascending);
  printf("%.1f\n", rates[passes / 2]);
  return sink == 1; /* what is read is used */
}
