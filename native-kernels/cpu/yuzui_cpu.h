/* The C half of the CPU backend: weights repacked into strips of 16 rows, activations in eight bits, products of the two.
 * Called from Java through the FFM API; one thread, no allocation, no checks. */
#ifndef YUZUI_CPU_H
#define YUZUI_CPU_H

#include <stdint.h>

#pragma GCC visibility push(default)

/* The order is NativeKernels.java's. */
enum yz_type {
  YZ_Q4_0, YZ_Q4_1, YZ_Q5_0, YZ_Q5_1, YZ_Q8_0, YZ_IQ4_NL, /* blocks of 32 */
  YZ_Q4_K, YZ_Q5_K, YZ_Q6_K, YZ_IQ4_XS,         /* blocks of 256 */
  YZ_IQ1_S, YZ_IQ1_M, YZ_IQ2_XXS, YZ_IQ2_XS, YZ_IQ2_S, YZ_IQ3_XXS, YZ_IQ3_S, YZ_TQ1_0, YZ_TQ2_0,
  YZ_Q2_K, YZ_Q3_K,                             /* the same, of few bits */
  YZ_Q1_0, YZ_Q2_0, YZ_MXFP4, YZ_NVFP4,         /* blocks of 32, 64 and 128 */
  YZ_BF16, YZ_F16, YZ_FP8,                      /* numbers */
  YZ_TYPES
};

/* Bytes of `rows` rows of `cols` weights, repacked; rows are padded to whole strips. */
int64_t yz_packed_bytes(int type, int64_t rows, int64_t cols);

/* Repacks `rows` rows as they lie in a file; for FP8 their scales, F32, one for 128 columns of these rows (that lie in one
 * tile of scales), go along. */
void yz_pack(int type, const uint8_t* file, const float* scales, int64_t rows, int64_t cols, uint8_t* packed);

/* Bytes of an activation row made ready for products with `type`. */
int64_t yz_prepared_bytes(int type, int64_t cols);

/* Prepares the rows first <= i < last: row i begins i / heads·stride + i % heads·head_stride floats behind x, and goes i·bytes
 * behind `prepared`. */
void yz_prepare(int type, const float* x, int64_t stride, int64_t heads, int64_t head_stride, int64_t first, int64_t last,
                int64_t cols, uint8_t* prepared, int64_t bytes);

/* out[i][16·s + r] = row r of strip s times x[i], for first <= s < last and i < n; the rows of a strip that the matrix does
 * not have are left out: `rows` is the matrix's count. */
void yz_product(int type, const uint8_t* packed, int64_t rows, int64_t cols, int64_t first, int64_t last,
                const uint8_t* const* x, int n, float* const* out);

/* Rows of `count` numbers, any of which may be another of the same call: out = silu(gate)·up; out = x / √(mean(x²) + eps)·weight;
 * x = 0; out = a + b; out = out + by·x. */
void yz_silu_mul(const float* gate, const float* up, float* out, int64_t count);
void yz_rms_norm(const float* x, const float* weight, float eps, int64_t count, float* out);
void yz_zero(float* x, int64_t count);
void yz_add(const float* a, const float* b, float* out, int64_t count);
void yz_add_scaled(const float* x, float by, float* out, int64_t count);

/* out[t][r] = Σ w[r·stride + c]·x[t][c] for r < rows and t < n, all F32; a result is the same whatever is beside it. */
void yz_dots(const float* w, int64_t stride, int64_t rows, int64_t cols, const float* const* x, int n, float* const* out);

/* The first of x[from .. count) that is greater than `least`, or count. */
int64_t yz_first_above(const float* x, int64_t from, int64_t count, float least);

/* Encodings of a KV cache, and of weights that are read as they are; rows are a multiple of 16 numbers (Q8_0: 32). */
enum yz_cache { YZ_CACHE_F32, YZ_CACHE_F16, YZ_CACHE_BF16, YZ_CACHE_E4M3, YZ_CACHE_Q8_0 };

/* A sequence's entries: entry i is row table[i / tokens]·tokens + i % tokens of `entries`, rows of `bytes`. */
typedef struct {
  const uint8_t* entries;
  const int32_t* table;
  int64_t tokens, bytes;
} YzPages;

/* What of an entry's numbers, from where its row begins, is read: `width` in all, of which the first `keys` are held against a
 * query, and `values` from `values_at` on are added up. */
typedef struct {
  int64_t width, keys, values_at, values;
} YzSpan;

/* Attention of up to 16 queries of one sequence in parts of its entries, a lane a query: a query's numbers are the same to the last
 * bit whichever are taken together. Lanes without one hold nothing of meaning.
 * yz_few: whether up to `queries` of a token are better off without lanes of their own: `few` is 1 then in yz_turn and yz_attend, whose
 * keys and values are multiples of 16, and must be so for all tokens of a sequence.
 * yz_turn: turned[i][j] = q[j][i]·scale·log2(e), `q` [queries][width] F32; where they are few, [j][i].
 * yz_attend: over the entries first <= i < last[j], scores s = turned·keys; a part is [values][16] Σ 2^(s − m)·value, [16] the
 * greatest score m, [16] Σ 2^(s − m). `last` is of all 16 lanes. `work` has yz_attend_bytes(width) bytes.
 * yz_merge: out[j] [values] of `count` parts, `stride` floats apart; zeros of none. */
int yz_few(int queries);
void yz_turn(const float* q, int queries, int width, float scale, int few, float* turned);
int64_t yz_attend_bytes(int width);
void yz_attend(int cache, const float* turned, int queries, int few, const YzPages* pages, int64_t first, const int64_t* last,
               int width, int keys, int values_at, int values, float* part, uint8_t* work);
void yz_merge(const float* parts, int64_t stride, int count, int queries, int values, float* out);

/* A head: columns of a query and a key (without and with rotation) and of a value, the latent's rank, and the softmax scale. */
typedef struct {
  int32_t nope, rope, value, lkv;
  float scale;
} YzHeads;

/* A matrix in an encoding of yz_cache, rows of `bytes`; F32 rows may be of any length. */
typedef struct {
  const uint8_t* rows;
  int64_t encoding, bytes;
} YzMatrix;

/* Rows of one sequence and one head: row i sees the first lengths[i] entries, or those of them whose bits are set: entry e's is bit
 * e % 64 of chosen[i·words + e / 64], where there is `chosen`. q [count][nope + rope] and out [count][value] with their strides in
 * floats; key_up [lkv][nope] is W_UK, value_up [value][lkv] is W_UV. */
typedef struct {
  const float* q;
  float* out;
  const int32_t* lengths;
  int64_t q_stride, out_stride, count;
  YzMatrix key_up, value_up;
  const uint64_t* chosen;
  int64_t words;
} YzRows;

/* Expanded attention: out = softmax(q·[W_UK·c; k]·scale)·W_UV·c, zeros for a row that sees nothing. `work` has
 * yz_expanded_bytes(nope, rope, value, lkv, count) bytes. */
int64_t yz_expanded_bytes(int nope, int rope, int value, int lkv, int64_t count);
void yz_expanded(int cache, const YzHeads* heads, const YzRows* rows, const YzPages* pages, uint8_t* work);

/* The lightning indexer, DeepSeek-V3.2 report §2.1: scores[i] = scale·Σh weights[h]·max(q[h]·k[i], 0) for the entries k of first <= i
 * < last, NaN where a product is none; a score is the same to the last bit whichever are asked for together. `turned` is made of q
 * [heads][width] and weights [heads] and has yz_index_turned_bytes(heads, width) bytes, `work` yz_index_bytes(width). */
int64_t yz_index_turned_bytes(int heads, int width);
void yz_index_turn(const float* q, const float* weights, int heads, int width, float* turned);
int64_t yz_index_bytes(int width);
void yz_index_scores(int cache, const float* turned, int heads, int width, float scale, const YzPages* pages, int64_t first,
                     int64_t last, float* scores, uint8_t* work);

/* The instruction set in use: "avx512-vnni", "avx2", "scalar", ... */
const char* yz_instructions(void);

/* Takes the instruction set called `name`, for tests; 0 if this machine has not got it. */
int yz_use(const char* name);

#pragma GCC visibility pop

#endif
