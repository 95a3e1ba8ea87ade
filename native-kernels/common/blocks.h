/* Byte layouts of the block formats, shared by every language that multiplies them. The numbers'
 * meaning is in Dequantizer.java; sizes are held against Encoding.java by a test. Little-endian,
 * no padding; `half` values are kept as their 16 bits. Layouts: ggml's ggml-common.h. */
#ifndef YUZUI_BLOCKS_H
#define YUZUI_BLOCKS_H

#if defined(__OPENCL_C_VERSION__) || defined(__OPENCL_VERSION__)
typedef uchar yz_u8;
typedef char yz_i8;
typedef ushort yz_u16;
#define YZ_SIZE(type, bytes)
#else
#include <stdint.h>
typedef uint8_t yz_u8;
typedef int8_t yz_i8;
typedef uint16_t yz_u16;
#ifdef __cplusplus
#define YZ_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " is " #bytes " bytes")
#else
#define YZ_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is " #bytes " bytes")
#endif
#endif

/* All members are one or two bytes wide: nothing is padded. Four-byte fields are byte arrays, as
 * blocks lie at any even address. */

/* 32 weights: (q - 8)·d, low nibbles first */
typedef struct { yz_u16 d; yz_u8 qs[16]; } block_q4_0;
YZ_SIZE(block_q4_0, 18);

/* 32 weights: q·d + m */
typedef struct { yz_u16 d, m; yz_u8 qs[16]; } block_q4_1;
YZ_SIZE(block_q4_1, 20);

/* 32 weights: (q - 16)·d, fifth bits in qh */
typedef struct { yz_u16 d; yz_u8 qh[4]; yz_u8 qs[16]; } block_q5_0;
YZ_SIZE(block_q5_0, 22);

/* 32 weights: q·d + m, fifth bits in qh */
typedef struct { yz_u16 d, m; yz_u8 qh[4]; yz_u8 qs[16]; } block_q5_1;
YZ_SIZE(block_q5_1, 24);

/* 32 weights: q·d */
typedef struct { yz_u16 d; yz_i8 qs[32]; } block_q8_0;
YZ_SIZE(block_q8_0, 34);

/* 256 weights in sixteen sub-blocks: d·(scale & 15)·q - dmin·(scale >> 4) */
typedef struct { yz_u8 scales[16]; yz_u8 qs[64]; yz_u16 d, dmin; } block_q2_k;
YZ_SIZE(block_q2_k, 84);

/* 256 weights in sixteen sub-blocks: d·(scale - 32)·(q - 4), third bits in hmask, six-bit scales */
typedef struct { yz_u8 hmask[32]; yz_u8 qs[64]; yz_u8 scales[12]; yz_u16 d; } block_q3_k;
YZ_SIZE(block_q3_k, 110);

/* 256 weights in eight sub-blocks: d·scale·q - dmin·min, six-bit scales and minima */
typedef struct { yz_u16 d, dmin; yz_u8 scales[12]; yz_u8 qs[128]; } block_q4_k;
YZ_SIZE(block_q4_k, 144);

/* as block_q4_k, fifth bits in qh */
typedef struct { yz_u16 d, dmin; yz_u8 scales[12]; yz_u8 qh[32]; yz_u8 qs[128]; } block_q5_k;
YZ_SIZE(block_q5_k, 176);

/* 256 weights in sixteen sub-blocks: d·scale·(q - 32), upper two bits in qh */
typedef struct { yz_u8 ql[128]; yz_u8 qh[64]; yz_i8 scales[16]; yz_u16 d; } block_q6_k;
YZ_SIZE(block_q6_k, 210);

/* 32 weights: d·value[q] of sixteen values */
typedef struct { yz_u16 d; yz_u8 qs[16]; } block_iq4_nl;
YZ_SIZE(block_iq4_nl, 18);

/* 256 weights in eight sub-blocks: d·(scale - 32)·value[q], six-bit scales in two parts */
typedef struct { yz_u16 d; yz_u16 scales_h; yz_u8 scales_l[4]; yz_u8 qs[128]; } block_iq4_xs;
YZ_SIZE(block_iq4_xs, 136);

#endif
