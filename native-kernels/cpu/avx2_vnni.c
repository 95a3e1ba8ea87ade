/* avx2.c for processors with byte products of 256 bits alone (AVX-VNNI): Alder Lake, Meteor Lake, Sierra Forest and their successors. */
#include "kernels.h"

#ifdef YZ_AVX_VNNI
#pragma GCC target("avxvnni,avx2,fma,f16c")
#define KERNELS yz_avx2_vnni
#define INSTRUCTIONS "avx2-vnni"
#define VNNI
#include "avx2.c"
#endif
