/* neon.c for processors with products of matrices of bytes, and of BF16: Neoverse V1 and N2, Cortex-X2, Apple M2 and later. */
#if defined(__aarch64__)
#define KERNELS yz_neon_i8mm
#define INSTRUCTIONS "neon-i8mm-bf16"
#define MATRIX 1
#include "neon.c"
#endif
