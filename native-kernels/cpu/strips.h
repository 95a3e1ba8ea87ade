/* How weights lie after repacking. A strip is 16 rows; along the columns it is a sequence of tiles, each a header of scales
 * and the codes. Four bytes of each row, row by row, make a vector of 64 bytes: as a rule four neighbouring columns, so that
 * one instruction multiplies 16 rows with four activations. Apart from scales and Q5_0's fifth bits, repacking moves whole
 * words of four bytes, and nothing grows but the six-bit scales.
 *
 * A group is 32 columns, eight quads of four; vector i of
 *   Q4_0, IQ4_NL, IQ4_XS   quad i of the group in the low nibbles, quad i + 4 in the high ones, i = 0 … 3
 *   Q5_0                   the same, then one of fifth bits: bit q of a byte belongs to that byte of quad q
 *   Q8_0                   quad i, plus 128, i = 0 … 7
 *   Q4_K                   quad i of groups 2p (low nibbles) and 2p + 1 (high), 8·p + i
 *   Q5_K                   eight of fifth bits, bit g of vector i for quad i of group g; then as Q4_K
 *   Q6_K                   8·(2n + h) + i: quad i of groups 4n + h (low) and 4n + h + 2 (high); then 8·n + i: bits 2q, 2q+1
 *                          for quad i of group 4n + q
 *   BF16                   columns 2i, 2i + 1; F16: columns 2i of the 16 rows, then 2i + 1; FP8: quad i
 */
#ifndef YUZUI_STRIPS_H
#define YUZUI_STRIPS_H

#include "../common/blocks.h"

#define YZ_ROWS 16
#define YZ_GROUP 32
#define YZ_BLOCK 256 /* columns of activations that share a scale */

/* Blocks of 32: d of each row, F16; the codes. */
#define YZ_Q4_0_TILE (32 + 256)
#define YZ_Q5_0_TILE (32 + 256 + 64)
#define YZ_Q8_0_TILE (32 + 512)
/* Blocks of 256: d, and dmin, of each row, F16; a byte of scale for each group (Q6_K: each 16 columns) and row, minima
 * alike; the codes. */
#define YZ_Q4_K_TILE (32 + 32 + 128 + 128 + 2048)
#define YZ_Q5_K_TILE (32 + 32 + 128 + 128 + 512 + 2048)
#define YZ_Q6_K_TILE (32 + 256 + 2048 + 1024)
#define YZ_IQ4_XS_TILE (32 + 128 + 2048)
/* Numbers, 32 columns a tile. FP8: the rows' scale of these columns first, F32. */
#define YZ_16_TILE 1024
#define YZ_FP8_TILE (64 + 512)

#endif
