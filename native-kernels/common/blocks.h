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

/* 256 weights in groups of 32, of which four grid entries of eight: d·(2·scale + 1)·(g ± 1/8), g of -1, 0, 1; qh has three
 * upper bits for each of four indices, three of scale, and the sign of the eighth */
typedef struct { yz_u16 d; yz_u8 qs[32]; yz_u16 qh[8]; } block_iq1_s;
YZ_SIZE(block_iq1_s, 50);

/* the same with scales for 16 and a sign for each eight; d is put together from the upper four bits of four scale words */
typedef struct { yz_u8 qs[32]; yz_u8 qh[16]; yz_u16 scales[4]; } block_iq1_m;
YZ_SIZE(block_iq1_m, 56);

/* 256 weights in groups of 32: d·(scale + 1/2)/4·(± g), g of 8, 25, 43; for each group four bytes of indices, then four times
 * seven bits of signs, of which the eighth makes their number even, and four bits of scale */
typedef struct { yz_u16 d; yz_u16 qs[32]; } block_iq2_xxs;
YZ_SIZE(block_iq2_xxs, 66);

/* the same with nine bits of index beside seven of signs, and scales for 16 */
typedef struct { yz_u16 d; yz_u16 qs[32]; yz_u8 scales[8]; } block_iq2_xs;
YZ_SIZE(block_iq2_xs, 74);

/* the same with ten bits of index, two of them in qh, and all signs */
typedef struct { yz_u16 d; yz_u8 qs[32]; yz_u8 signs[32]; yz_u8 qh[8]; yz_u8 scales[8]; } block_iq2_s;
YZ_SIZE(block_iq2_s, 82);

/* 256 weights in groups of 32: d·(scale + 1/2)/2·(± g), eight grid entries of four a group; signs and scale as in block_iq2_xxs */
typedef struct { yz_u16 d; yz_u8 qs[64]; yz_u8 signs[32]; } block_iq3_xxs;
YZ_SIZE(block_iq3_xxs, 98);

/* the same: d·(2·scale + 1)·(± g), nine bits of index, one of them in qh, and all signs */
typedef struct { yz_u16 d; yz_u8 qs[64]; yz_u8 qh[8]; yz_u8 signs[32]; yz_u8 scales[4]; } block_iq3_s;
YZ_SIZE(block_iq3_s, 110);

/* 256 weights: d·t, t of -1, 0, 1; a byte holds five of them (qh: four) as digits of a fraction to the base of three */
typedef struct { yz_u8 qs[48]; yz_u8 qh[4]; yz_u16 d; } block_tq1_0;
YZ_SIZE(block_tq1_0, 54);

/* the same: d·(q - 1), two bits each */
typedef struct { yz_u8 qs[64]; yz_u16 d; } block_tq2_0;
YZ_SIZE(block_tq2_0, 66);

/* 128 weights: d, negative where its bit is clear */
typedef struct { yz_u16 d; yz_u8 qs[16]; } block_q1_0;
YZ_SIZE(block_q1_0, 18);

/* 64 weights: d·(q - 1), two bits each, four neighbours in a byte */
typedef struct { yz_u16 d; yz_u8 qs[16]; } block_q2_0;
YZ_SIZE(block_q2_0, 18);

/* 32 weights: 2^(e - 127)·e2m1[q], low nibbles first */
typedef struct { yz_u8 e; yz_u8 qs[16]; } block_mxfp4;
YZ_SIZE(block_mxfp4, 17);

/* 64 weights in four sub-blocks: e4m3[d]·e2m1[q], low nibbles of a sub-block's eight bytes first */
typedef struct { yz_u8 d[4]; yz_u8 qs[32]; } block_nvfp4;
YZ_SIZE(block_nvfp4, 36);

#endif
