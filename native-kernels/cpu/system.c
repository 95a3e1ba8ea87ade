/* What Java has no call for: huge pages, pages of a mapping given back, threads on a core. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "yuzui_cpu.h"

#define HUGE ((uintptr_t)2 << 20)

uint8_t* yz_reserve(int64_t bytes) {
  /* one huge page more, so that the first can begin on its boundary */
  uint8_t* p = mmap(NULL, (size_t)bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return NULL;
  uint8_t* from = (uint8_t*)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
  if (from > p) munmap(p, (size_t)(from - p));
  if (from < p + HUGE) munmap(from + bytes, (size_t)(p + HUGE - from));
  madvise(from, (size_t)bytes, MADV_HUGEPAGE);
  return from;
}

void yz_release(uint8_t* p, int64_t bytes) { munmap(p, (size_t)bytes); }

void yz_forget(const uint8_t* p, int64_t bytes) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t from = ((uintptr_t)p + page - 1) & ~(page - 1), to = ((uintptr_t)p + (uintptr_t)bytes) & ~(page - 1);
  if (from < to) madvise((void*)from, to - from, MADV_DONTNEED);
}

int yz_pin(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return 0;
  CPU_SET(cpu, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0;
}
