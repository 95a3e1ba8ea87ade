// Products of few rows, bound by the bytes of the weights: one read of them for `tokens` rows of x, 1, 2, 4 or 8, which the
// kernels are named after.
//
// A team of `lanes` work-items goes through the units of two rows side by side: two neighbours of one matrix, or with a second
// matrix the same row of both, for silu(w x)·(w2 x). `sets` teams make a work-group. With WIDE, for CPUs, a work-item is a team
// and a work-group of its own, sums are vectors, and it takes several strips of two rows; products of many rows are then as
// well done here, tile by tile, the weights of a strip staying in cache.
//
// With TEAMS and SUBGROUPS a sub-group is a team: whatever its size, those of a work-group share the work of `sets`. With DOT,
// for encodings of eight bits and fewer, x is rounded to eight bits first, by eight_bits.
#include "device.clh"
#include "groups.clh"
#include "weights.clh"

#define ROWS 2
#define MOST_TOKENS 8

// DO(t) for each row t of x. Constants, so that what is kept of a row lies in registers before any loop is unrolled: AMD's compiler
// would leave it in memory.
#define EACH_TOKEN(tokens, DO)                             \
  {                                                        \
    DO(0)                                                  \
    if (tokens > 1) { DO(1) }                              \
    if (tokens > 2) { DO(2) DO(3) }                        \
    if (tokens > 4) { DO(4) DO(5) DO(6) DO(7) }            \
  }

#ifndef SUBGROUPS
#undef TEAMS
#endif

#ifdef DOT
// Rows of x in blocks of 32 columns: their codes, signed bytes; then for either sixteen the scale, and scale · Σ codes.
#define BLOCK 48
typedef uchar X;
#define ROW_OF(k) (BLOCK * ((k) / 32))
#else
typedef float X;
#define ROW_OF(k) (k)
#endif

#ifdef WIDE
typedef float16 Sum;
INLINE Sum add_products(Sum sum, float16 w, float16 x) { return w * x + sum; }
INLINE float total(Sum sum) { return sum16(sum); }
#else
#define MOST_ITEMS 128
typedef float Sum;
INLINE Sum add_products(Sum sum, float16 w, float16 x) {
  const float4 products = w.scdef * x.scdef + (w.s89ab * x.s89ab + (w.s4567 * x.s4567 + w.s0123 * x.s0123));
  return sum + (products.x + products.y + (products.z + products.w));
}
INLINE float total(Sum sum) { return sum; }
#endif

INLINE float silu(float z) { return z / (1 + exp(-z)); }

// Adds the products of a unit.
#ifdef DOT
INLINE int dot16(uint4 a, uint4 b) {
  return dot_4x8packed_ss_int(a.x, b.x) + dot_4x8packed_ss_int(a.y, b.y) +
         (dot_4x8packed_ss_int(a.z, b.z) + dot_4x8packed_ss_int(a.w, b.w));
}
INLINE float run_product(uint4 q, float scale, float offset, uint4 x, float2 d) {
  return scale * d.x * dot16(q, x) + offset * d.y;
}
INLINE float code_products(Codes q, uint4 xa, uint4 xb, float2 da, float2 db) {
  return run_product(q.a, q.scale.x, q.scale.z, xa, da) + run_product(q.b, q.scale.y, q.scale.w, xb, db);
}
INLINE void add_unit(int tokens, const Row* rows, const __global X* const* from, int u, Sum (*sum)[MOST_TOKENS]) {
  const int2 c = unit_columns(u);
  const Codes first = codes(rows[0], u), second = codes(rows[1], u);
  const int ha = c.x / 16 & 1, hb = c.y / 16 & 1;
#define ADD(t)                                                                                                                    \
  {                                                                                                                               \
    const __global uchar *a = from[t] + BLOCK * (c.x / 32), *b = from[t] + BLOCK * (c.y / 32);                                    \
    const uint4 xa = *(const __global uint4*)(a + 16 * ha), xb = *(const __global uint4*)(b + 16 * hb);                           \
    const float2 da = *(const __global float2*)(a + 32 + 8 * ha), db = *(const __global float2*)(b + 32 + 8 * hb);                \
    sum[0][t] += code_products(first, xa, xb, da, db);                                                                            \
    sum[1][t] += code_products(second, xa, xb, da, db);                                                                           \
  }
  EACH_TOKEN(tokens, ADD)
#undef ADD
}
#else
// F32 is not decoded, and has registers enough.
#define UNDECODED_f32 1
#if PASTE(UNDECODED_, WEIGHTS)
#define WAIT
#else
#define WAIT IN_ORDER
#endif
INLINE void add_unit(int tokens, const Row* rows, const __global X* const* from, int u, Sum (*sum)[MOST_TOKENS]) {
  const int2 c = unit_columns(u);
  const Unit first = decode(rows[0], u), second = decode(rows[1], u);
#define ADD(t, part, column)                                       \
  {                                                                \
    const float16 v = vload16(0, from[t] + column);                \
    sum[0][t] = add_products(sum[0][t], first.part, v);            \
    sum[1][t] = add_products(sum[1][t], second.part, v);           \
  }
#define ADD_A(t) ADD(t, a, c.x)
#define ADD_B(t)         \
  if (t == 4) WAIT;      \
  ADD(t, b, c.y)
  EACH_TOKEN(tokens, ADD_A)
  if (tokens > 4) WAIT;
  EACH_TOKEN(tokens, ADD_B)
#undef ADD_B
#undef ADD_A
#undef ADD
}
#endif

// What this work-item has of the products of the rows: totals[i·tokens + t].
INLINE void multiply(int tokens, const Row* rows, const __global X* const* from, int k, int lane, int lanes, float* totals) {
  Sum sum[ROWS][MOST_TOKENS];
#define BEGIN(t) sum[0][t] = sum[1][t] = 0;
  EACH_TOKEN(tokens, BEGIN)
#undef BEGIN
  const int units = k / 32;
#ifdef WIDE
  for (int block = 0; block < units; block += UNITS) {
#pragma unroll
    for (int u = 0; u < UNITS; u++) add_unit(tokens, rows, from, block + u, sum);
  }
#else
  for (int u = lane; u < units; u += lanes) add_unit(tokens, rows, from, u, sum);
#endif
#define TOTAL(t)                   \
  totals[t] = total(sum[0][t]);    \
  totals[tokens + t] = total(sum[1][t]);
  EACH_TOKEN(tokens, TOTAL)
#undef TOTAL
#if PARTIAL_UNITS
  for (int c = 32 * units + lane; c < k; c += lanes) {
    const float first = number_at(rows[0], c), second = number_at(rows[1], c);
#define ADD(t)                       \
  totals[t] += first * from[t][c];   \
  totals[tokens + t] += second * from[t][c];
    EACH_TOKEN(tokens, ADD)
#undef ADD
  }
#endif
}

// Rows `row` and row + 1 of the result, or of two matrices row `row` alone, for row t of the group.
INLINE void store(Group group, int t, float first, float second, bool gated, int row, int n, __global float* out, int outStride) {
  if (t >= group.count || row >= n) return;
  __global float* to = out + (long)(group.first + t) * outStride + row;
  to[0] = gated ? silu(first) * second : first;
  if (!gated && row + 1 < n) to[1] = second;
}

// The part of a team whose first row of the result is `row`; the matrices' n rows begin at `base`.
INLINE void product(int tokens, Group group, const __global X* const* from, Matrix w, Matrix w2, bool gated, int base, int row,
                    int n, __global float* out, int outStride, __local float* sums) {
  const int first = base + min(row, n - 1), second = base + min(row + 1, n - 1);
  const Row rows[ROWS] = {row_of(w, first), gated ? row_of(w2, first) : row_of(w, second)};
  float y[ROWS * MOST_TOKENS];
#ifdef WIDE
  multiply(tokens, rows, from, w.k, 0, 1, y);
#define STORE(t) store(group, t, y[t], y[tokens + t], gated, row, n, out, outStride);
  EACH_TOKEN(tokens, STORE)
#undef STORE
#elif defined(TEAMS)
  const int lanes = get_sub_group_size(), lane = get_sub_group_local_id();
  multiply(tokens, rows, from, w.k, lane, lanes, y);
#define JOIN(t)                                                                            \
  {                                                                                        \
    const float a = sub_group_reduce_add(y[t]), b = sub_group_reduce_add(y[tokens + t]);   \
    if (lane == t % lanes) store(group, t, a, b, gated, row, n, out, outStride);           \
  }
  EACH_TOKEN(tokens, JOIN)
#undef JOIN
#else
  const int lanes = get_local_size(1), lane = get_local_id(1), items = lanes * get_local_size(2);
  __local float* own = sums + get_local_id(2) * lanes;
  multiply(tokens, rows, from, w.k, lane, lanes, y);
#define SHARE(t)                    \
  own[t * items + lane] = y[t];     \
  own[(tokens + t) * items + lane] = y[tokens + t];
  EACH_TOKEN(tokens, SHARE)
#undef SHARE
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int t = lane; t < tokens; t += lanes) {
    float a = 0, b = 0;
    for (int i = 0; i < lanes; i++) {
      a += own[t * items + i];
      b += own[(tokens + t) * items + i];
    }
    store(group, t, a, b, gated, row, n, out, outStride);
  }
#endif
}

// A team has `strips` times two rows of the result, or with two matrices one, side by side; sub-groups take turns.
#ifdef TEAMS
#define EACH_STRIP(s) for (int s = get_sub_group_id(); s < (int)get_local_size(2); s += get_num_sub_groups())
#define STRIP(s) (get_group_id(1) * get_local_size(2) + s)
#else
#define EACH_STRIP(s) for (int s = 0; s < strips; s++)
#define STRIP(s) ((get_group_id(1) * get_local_size(2) + get_local_id(2)) * strips + s)
#endif
INLINE int row_at(int strip, bool gated) { return strip * (gated ? 1 : ROWS); }
#if defined(WIDE) || defined(TEAMS)
#define SUMS(tokens) 1
#else
#define SUMS(tokens) (ROWS * tokens * MOST_ITEMS)
#endif

// out[t, h, i] = Σk x[t, h, k]·w[h·n + i, k], or if gated silu(w x)·(w2 x). Strides and offsets in numbers, of x in X. Groups: (⌈T /
// tokens⌉, ⌈n / (sets·strips·2)⌉, or if gated ⌈n / (sets·strips)⌉, heads); local size (1, lanes, sets); strips 1 without WIDE.
INLINE void dense(int tokens, IN(w), IN(w2), ulong scalesAt, ulong rowBytes, int gated, IN(x), int xStride, int xHeadStride,
                  int xOffset, OUT(out), int outStride, int outHeadStride, int outOffset, int T, int n, int k, int strips,
                  __local float* sums) {
  const int head = get_group_id(2);
  const Group group = dense_rows(get_group_id(0), tokens, T);
  const __global X* from[MOST_TOKENS];
  const __global X* head_x = READ(X, x) + head * xHeadStride + xOffset;
#define ROW(t) from[t] = head_x + (long)(group.first + min(t, group.count - 1)) * xStride;
  EACH_TOKEN(tokens, ROW)
#undef ROW
  const Matrix a = matrix_at(READ(uchar, w), scalesAt, rowBytes, k);
  const Matrix b = gated ? matrix_at(READ(uchar, w2), scalesAt, rowBytes, k) : a;
  __global float* to = WRITE(float, out) + head * outHeadStride + outOffset;
  EACH_STRIP(s) product(tokens, group, from, a, b, gated, head * n, row_at(STRIP(s), gated), n, to, outStride, sums);
}

// out[i] = x[row of i]·w[e]ᵀ, or silu(w[e] x)·(w2[e] x), for each sorted place i of expert e, as Ops.groupedMatmul; expert e of
// a matrix lies `each` bytes behind the one before. Groups: (tiles, as above, 1) with tiles ≥ Σe ⌈places of e / tokens⌉.
INLINE void grouped(int tokens, IN(w), IN(w2), ulong each, ulong each2, ulong scalesAt, ulong rowBytes, int gated, IN(x), OUT(out),
                    int n, int k, int strips, IN(offset), IN(slot), int experts, int used, int gather, __local float* sums) {
  const Group group = expert_rows(get_group_id(0), tokens, READ(int, offset), experts);
  if (group.count <= 0) return;
  const __global X* from[MOST_TOKENS];
#define ROW(t) \
  from[t] = READ(X, x) + (long)gathered_row(READ(int, slot), used, gather, group.first + min(t, group.count - 1)) * ROW_OF(k);
  EACH_TOKEN(tokens, ROW)
#undef ROW
  const Matrix a = matrix_at(READ(uchar, w) + each * group.expert, scalesAt, rowBytes, k);
  const Matrix b = gated ? matrix_at(READ(uchar, w2) + each2 * group.expert, scalesAt, rowBytes, k) : a;
  EACH_STRIP(s) product(tokens, group, from, a, b, gated, 0, row_at(STRIP(s), gated), n, WRITE(float, out), n, sums);
}

#define TENSOR(name) name##_mem, name##_at
#define KERNELS(tokens)                                                                                                          \
  __kernel void matvec_##tokens(IN(w), IN(w2), ulong scalesAt, ulong rowBytes, int gated, IN(x), int xStride, int xHeadStride,   \
                                int xOffset, OUT(out), int outStride, int outHeadStride, int outOffset, int T, int n, int k,     \
                                int strips, IN(unless)) {                                                                        \
    __local float sums[SUMS(tokens)];                                                                                            \
    dense(tokens, TENSOR(w), TENSOR(w2), scalesAt, rowBytes, gated, TENSOR(x), xStride, xHeadStride, xOffset, TENSOR(out),       \
          outStride, outHeadStride, outOffset, SKIPPED(unless) ? 0 : T, n, SKIPPED(unless) ? 0 : k, strips, sums);               \
  }                                                                                                                              \
  __kernel void matvec_grouped_##tokens(IN(w), IN(w2), ulong each, ulong each2, ulong scalesAt, ulong rowBytes, int gated, IN(x), \
                                        OUT(out), int n, int k, int strips, IN(offset), IN(slot), int experts, int used,         \
                                        int gather) {                                                                            \
    __local float sums[SUMS(tokens)];                                                                                            \
    grouped(tokens, TENSOR(w), TENSOR(w2), each, each2, scalesAt, rowBytes, gated, TENSOR(x), TENSOR(out), n, k, strips,         \
            TENSOR(offset), TENSOR(slot), experts, used, gather, sums);                                                          \
  }
KERNELS(1)
KERNELS(2)
KERNELS(4)
KERNELS(8)

#ifdef DOT
// Rounds x[t, h], `blocks`·32 wide, to out [T, heads, blocks]; a work-item for each block of h and, in the second dimension, t.
// What is not finite makes its block NaN.
__kernel void eight_bits(IN(x), int xStride, int xHeadStride, int xOffset, int heads, int blocks, OUT(out)) {
  const int u = get_global_id(0);
  const ulong t = get_global_id(1);
  if (u >= heads * blocks) return;
  const int h = u / blocks;
  const __global float* from = READ(float, x) + t * xStride + h * xHeadStride + xOffset + 32 * (u - h * blocks);
  const float16 a = vload16(0, from), b = vload16(1, from);
  const float16 m16 = fmax(fabs(a), fabs(b));
  const float8 m8 = fmax(m16.lo, m16.hi);
  const float4 m4 = fmax(m8.lo, m8.hi);
  const float most = fmax(fmax(m4.x, m4.y), fmax(m4.z, m4.w));
  const float inverse = most > 0x1p-119f ? 127 / most : 0;
  const float d = most / 127 + sum16((a - a) + (b - b));
  const char16 qa = convert_char16_sat_rte(a * inverse), qb = convert_char16_sat_rte(b * inverse);
  __global uchar* to = WRITE(uchar, out) + (t * heads * blocks + u) * BLOCK;
  vstore16(as_uchar16(qa), 0, to);
  vstore16(as_uchar16(qb), 1, to);
  vstore4((float4)(d, d * sum16(convert_float16(qa)), d, d * sum16(convert_float16(qb))), 0, (__global float*)(to + 32));
}
#endif
