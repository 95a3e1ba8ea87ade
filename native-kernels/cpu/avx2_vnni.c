/* avx2.c for processors with byte products of 256 bits alone (AVX-VNNI): Alder Lake, Meteor Lake, Sierra Forest and their successors. */
#include "kernels.h"

#ifdef YZ_AVX_VNNI
#ifdef YUZUI_VNNI_OF_AVX512
/* the same sums by AVX-512's form of the instruction, for processors that have that alone: a test's */
#pragma GCC target("avx512vl,avx512vnni,avx2,fma,f16c")
#else
#pragma GCC target("avxvnni,avx2,fma,f16c")
#endif
#define KERNELS yz_avx2_vnni
#define INSTRUCTIONS "avx2-vnni"
#define VNNI
#include "avx2.c"
#endif
