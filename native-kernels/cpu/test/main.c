/* Runs every test on every instruction set that this processor has. Arguments: the seed, then names of instruction sets to run alone,
 * of which each must be there. */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

const char* instructions;
static int failures;

uint64_t bits(Random* r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}
int below(Random* r, int n) { return (int)(bits(r) % (uint64_t)n); }
double normal(Random* r) {
  const double u = ((double)(bits(r) >> 11) + 1) * 0x1p-53, v = (double)(bits(r) >> 11) * 0x1p-53;
  return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

enum { MOST = 4096 };
static struct { void* at; size_t bytes; } mapped[MOST];
static int count;

void* guarded(Random* r, int64_t size, int align) {
  const int64_t page = sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page + 1;
  uint8_t* at = mmap(NULL, (size_t)((pages + 2) * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || count == MOST || mprotect(at + page, (size_t)(pages * page), PROT_READ | PROT_WRITE) != 0) abort();
  mapped[count].at = at;
  mapped[count++].bytes = (size_t)((pages + 2) * page);
  memset(at + page, 0xff, (size_t)(pages * page));
  return bits(r) % 4 == 0 ? at + page : at + (pages + 1) * page - (size + align - 1) / align * align;
}
float* guarded_floats(Random* r, int64_t n) { return guarded(r, 4 * n, 4); }
void freed(void) {
  while (count > 0) {
    count--;
    munmap(mapped[count].at, mapped[count].bytes);
  }
}

void fill(Random* r, int kind, float* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const double v = normal(r);
    switch (kind) {
      case 1: x[i] = bits(r) & 1 ? 0 : (float)v; break;
      case 2: x[i] = (float)(v * pow(10, below(r, 17) - 8)); break;
      case 3: x[i] = bits(r) & 1 ? 0.0f : -0.0f; break;
      case 4: x[i] = (float)(v * 1e-3); break;
      case 5: x[i] = (float)(v * 1e-40); break;
      case 6: x[i] = (float)(v > 0 ? 1e18 : -1e18); break;
      default: x[i] = (float)v; break;
    }
  }
  if (kind == 4 && n > 0) x[below(r, (int)n)] = 1e4f;
}

void wrong(const char* format, ...) {
  if (failures++ < 20) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", instructions);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
  }
}

void near(double want, double got, double allowed, const char* what, const char* name, int64_t i, int64_t j) {
  if (!(fabs(want - got) <= allowed) && !(isnan(want) && isnan(got)) && want != got) {
    wrong("%s %s [%lld][%lld]: %.9g instead of %.9g, %.3g allowed", what, name, (long long)i, (long long)j, got, want, allowed);
  }
}

int main(int argc, char** argv) {
  static const char* const all[] = {"scalar", "neon-dotprod", "neon-i8mm-bf16", "avx2", "avx2-vnni", "avx512-vnni"};
  const char* best = yz_instructions();
  const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  int ran = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    int asked = argc <= 2;
    for (int a = 2; a < argc; a++) asked |= strcmp(argv[a], all[i]) == 0;
    if (!asked) continue;
    if (!yz_use(all[i])) {
      if (argc > 2) {
        fprintf(stderr, "this processor has no %s\n", all[i]);
        return 1;
      }
      continue;
    }
    instructions = all[i];
    if (strcmp(yz_instructions(), all[i]) != 0) wrong("calls itself %s", yz_instructions());
    const int before = failures;
    Random r = {seed};
    test_rows(&r);
    test_products(&r);
    test_attention(&r);
    test_expanded(&r);
    test_index(&r);
    ran++;
    printf("%s%s: %s\n", all[i], strcmp(all[i], best) == 0 ? ", which is chosen here" : "", failures == before ? "as it should be" : "WRONG");
    fflush(stdout);
  }
  if (argc > 2 && ran < argc - 2) {
    fprintf(stderr, "an instruction set of those asked for is none\n");
    failures++;
  }
  if (yz_use("none")) {
    fprintf(stderr, "an instruction set that is none was taken\n");
    failures++;
  }
  return failures > 0;
}
