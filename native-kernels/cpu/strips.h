/* How weights lie after repacking. A strip is 16 rows; along the columns it is a sequence of tiles, each a header of scales
 * and the codes. Four bytes of each row, row by row, make a vector of 64 bytes: as a rule four neighbouring columns, so that
 * one instruction multiplies 16 rows with four activations. Apart from scales and fifth bits of blocks of 32, repacking moves whole
 * words of four bytes, and nothing grows but the six-bit scales.
 *
 * A group is 32 columns, eight quads of four; vector i of
 *   Q4_0, Q4_1, IQ4_NL, IQ4_XS   quad i of the group in the low nibbles, quad i + 4 in the high ones, i = 0 … 3
 *   Q5_0, Q5_1             the same, then one of fifth bits: bit q of a byte belongs to that byte of quad q
 *   Q8_0                   quad i, plus 128, i = 0 … 7
 *   Q4_K                   for i = 0 … 7, p = 0 … 3: quad i of groups 2p (low nibbles) and 2p + 1 (high)
 *   Q5_K                   the same, but first for each i: bit g for quad i of group g
 *   Q6_K                   for n = 0, 1, i = 0 … 7: bits 2q, 2q + 1 for quad i of group 4n + q; then quad i of groups 4n and
 *                          4n + 2; of 4n + 1 and 4n + 3
 *   TQ1_0, TQ2_0, Q2_0     bits 2q, 2q + 1 for quad 4i + q, i = 0, 1
 *   Q2_K                   the same, behind a byte for each 16 columns and row: scale, above it minimum
 *   Q3_K                   the same, behind such scales less 32, then one of third bits: bit q for quad q
 *   Q1_0                   one: bit q for quad q
 *   MXFP4, NVFP4           as Q4_0, a sub-block's low nibbles first
 *   IQ3_S                  as Q4_0: a number's place in the grid's numbers, then its sign
 * and of IQ1, IQ2 and IQ3_XXS it has, for each of the 16 rows side by side, scales, upper bits of indices, the lower eight of each
 * index, and eight signs for each eight columns.
 *   BF16                   columns 2i, 2i + 1; F16: columns 2i of the 16 rows, then 2i + 1; FP8: quad i
 */
#ifndef YUZUI_STRIPS_H
#define YUZUI_STRIPS_H

#include "../common/blocks.h"

#define YZ_ROWS 16
#define YZ_GROUP 32
#define YZ_BLOCK 256 /* activations are padded to whole ones */

/* Blocks of 32: d of each row, F16; the codes; of Q4_1 and Q5_1 m of each row. */
#define YZ_Q4_0_TILE (32 + 256)
#define YZ_Q4_1_TILE (32 + 256 + 32)
#define YZ_Q5_0_TILE (32 + 256 + 64)
#define YZ_Q5_1_TILE (32 + 256 + 64 + 32)
#define YZ_Q8_0_TILE (32 + 512)
/* Blocks of 256: d, and dmin, of each row, F16; a byte of scale for each group (Q6_K: each 16 columns) and row, minima
 * alike; the codes, at a multiple of 64 bytes in the first three. */
#define YZ_Q4_K_TILE (32 + 32 + 128 + 128 + 2048)
#define YZ_Q5_K_TILE (32 + 32 + 128 + 128 + 512 + 2048)
#define YZ_Q6_K_TILE (64 + 256 + 2048 + 1024)
#define YZ_IQ4_XS_TILE (32 + 128 + 2048)
/* Few bits: d of each row (Q2_K: and dmin), F16, once; a group's bytes (yz_group_bytes). Of MXFP4 and NVFP4 a group has scales
 * of eight bits for 32 columns or for 16. */
#define YZ_IQ1_S_GROUP (32 + 64)
#define YZ_IQ1_M_GROUP (16 + 32 + 64)
#define YZ_IQ2_XXS_GROUP (16 + 64 + 64)
#define YZ_IQ2_S_GROUP (16 + 16 + 64 + 64) /* IQ2_XS too */
#define YZ_IQ3_XXS_GROUP (16 + 128 + 64)
#define YZ_IQ3_S_GROUP (16 + 256)
#define YZ_TQ2_0_GROUP 128 /* TQ1_0 and Q2_0 too */
#define YZ_Q2_K_GROUP (32 + 128)
#define YZ_Q3_K_GROUP (32 + 128 + 64)
#define YZ_Q1_0_GROUP 64
#define YZ_MXFP4_GROUP (16 + 256)
#define YZ_NVFP4_GROUP (32 + 256)
/* Numbers, 32 columns a tile. FP8: the rows' scale of these columns first, F32. */
#define YZ_16_TILE 1024
#define YZ_FP8_TILE (64 + 512)

#endif
