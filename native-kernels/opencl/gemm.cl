// Products of many rows: a work-group has a tile of ROWS rows of w and TOKENS rows of x, and brings both through local memory
// a unit of 32 columns at a time; half of its work-items decode weights while the others fetch x. Devices that have no local
// memory of their own are better served by matvec.cl.
//
// With HALVES, where a device has HALF, both are halves, x rounded by half_rows first: products are of halves, sums of SUMMED
// of them too, and those are added up as floats.
#include "device.clh"
#include "groups.clh"
#include "rows.clh"
#include "weights.clh"

#define ITEMS 128
#define ROWS 64
#define TOKENS 64
#define ACROSS 16               // work-items side by side over the rows,
#define DOWN (ITEMS / ACROSS)   // and over the tokens
#define OWN_ROWS (ROWS / ACROSS)
#define OWN_TOKENS (TOKENS / DOWN)

#ifdef HALVES
typedef ushort X;
#define X_STRIDE (TOKENS + 4)
#define SUMMED 8
// A work-item loads its four rows of w at a time, and four of its tokens, which therefore lie side by side.
#define OWN_ROWS_AT (across * OWN_ROWS)
#define ROW_PLACE(row) ((row) % ACROSS * OWN_ROWS + (row) / ACROSS)
#define OWN_PLACE(t) (t / 4 * (TOKENS / 2) + down * 4 + t % 4)
#define PLACE(token) ((token) / (4 * DOWN) * (TOKENS / 2) + (token) % DOWN * 4 + (token) / DOWN % 4)
#define PUT put_halves
#else
typedef float X;
#define X_STRIDE (TOKENS + 1)   // so that neighbours in a column fall into different banks
#define ROW_PLACE(row) (row)
#define OWN_PLACE(t) TOKEN(t)
#define PLACE(token) (token)
#define PUT put_unit
#endif
#define ROW(r) (across + ACROSS * r)
#define TOKEN(t) (down + DOWN * t)

// Adds the products of a unit: sum[t] of four rows.
INLINE void add_tile(const __local X* ws, const __local X* xs, int across, int down, float4* sum) {
#ifdef HALVES
  for (int first = 0; first < 32; first += SUMMED) {
    Half4 part[OWN_TOKENS];
#pragma unroll
    for (int t = 0; t < OWN_TOKENS; t++) part[t] = (Half4)(0, 0, 0, 0);
#pragma unroll
    for (int i = first; i < first + SUMMED; i++) {
      const Half4 a = four_halves(ws + i * ROWS + OWN_ROWS_AT);
      const Half4 b = four_halves(xs + i * X_STRIDE + OWN_PLACE(0)), c = four_halves(xs + i * X_STRIDE + OWN_PLACE(4));
      const Half own[OWN_TOKENS] = {b.x, b.y, b.z, b.w, c.x, c.y, c.z, c.w};
#pragma unroll
      for (int t = 0; t < OWN_TOKENS; t++) part[t] = add_halves(a, own[t], part[t]);
    }
#pragma unroll
    for (int t = 0; t < OWN_TOKENS; t++) sum[t] += floats_of(part[t]);
  }
#else
  for (int i = 0; i < 32; i++) {
    const __local float* w = ws + i * ROWS;
    const float4 a = (float4)(w[ROW(0)], w[ROW(1)], w[ROW(2)], w[ROW(3)]);
#pragma unroll
    for (int t = 0; t < OWN_TOKENS; t++) sum[t] += a * xs[i * X_STRIDE + OWN_PLACE(t)];
  }
#endif
}

// The tile of rows `row` … of n (of the matrix: from `base` on) with the group's rows of x, `source` saying which. `scales`: of rows of
// halves, `scaleStride` apart.
INLINE void tile(Matrix w, int base, int row, int n, Group group, const __global X* x, int xStride, const __global float* scales,
                 int scaleStride, __global float* out, int outStride, __local X* ws, __local X* xs, __local const int* source) {
  const int item = get_local_id(0), across = item % ACROSS, down = item / ACROSS;
  const Row own = row_of(w, base + min(row + item % ROWS, n - 1));
  float4 sum[OWN_TOKENS];
#pragma unroll
  for (int t = 0; t < OWN_TOKENS; t++) sum[t] = 0;

  const int units = (w.k + 31) / 32;
  for (int u = 0; u < units; u++) {
    if (item < ROWS) {
      const Unit unit = PARTIAL_UNITS && 32 * u + 32 > w.k ? decode_part(own, u, w.k) : decode(own, u);
      PUT(unit, ws + ROW_PLACE(item), ROWS);
    } else {
      const int2 c = unit_columns(u);
      const int i = item % 32, column = i < 16 ? c.x + i : c.y + i - 16;
      for (int t = (item - ROWS) / 32; t < TOKENS; t += (ITEMS - ROWS) / 32) {
        xs[i * X_STRIDE + PLACE(t)] = t < group.count && column < w.k ? x[(long)source[t] * xStride + column] : 0;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    add_tile(ws, xs, across, down, sum);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (int t = 0; t < OWN_TOKENS; t++) {
    const int token = TOKEN(t);
    if (token < group.count) {
#ifdef HALVES
      sum[t] *= scales[(long)source[token] * scaleStride];
#endif
      const float values[OWN_ROWS] = {sum[t].x, sum[t].y, sum[t].z, sum[t].w};
      __global float* to = out + (long)(group.first + token) * outStride + row;
#pragma unroll
      for (int r = 0; r < OWN_ROWS; r++) {
        if (row + ROW(r) < n) to[ROW(r)] = values[r];
      }
    }
  }
}

// As matvec, not gated; scales [T, heads]. Groups: (⌈T / 64⌉, ⌈n / 64⌉, heads); local size 128. To return early would let PoCL's
// compiler store what is out of bounds.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm(IN(w), ulong scalesAt, ulong rowBytes, IN(x), int xStride, int xHeadStride, int xOffset, IN(scales), OUT(out),
          int outStride, int outHeadStride, int outOffset, int T, int n, int k, IN(unless)) {
  __local X ws[32 * ROWS], xs[32 * X_STRIDE];
  __local int source[TOKENS];
  const int head = get_group_id(2);
  const Group group = dense_rows(get_group_id(0), TOKENS, SKIPPED(unless) ? 0 : T);
  if (get_local_id(0) < TOKENS) source[get_local_id(0)] = group.first + get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  tile(matrix_at(READ(uchar, w), scalesAt, rowBytes, SKIPPED(unless) ? 0 : k), head * n, get_group_id(1) * ROWS, n, group,
       READ(X, x) + head * xHeadStride + xOffset, xStride, READ(float, scales) + head, get_num_groups(2),
       WRITE(float, out) + head * outHeadStride + outOffset, outStride, ws, xs, source);
}

// As matvec_grouped, not gated; a scale for each row of x. Groups: (tiles ≥ Σe ⌈places of e / 64⌉, ⌈n / 64⌉); local size 128.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm_grouped(IN(w), ulong each, ulong scalesAt, ulong rowBytes, IN(x), IN(scales), OUT(out), int n, int k, IN(offset), IN(slot),
                  int experts, int used, int gather) {
  __local X ws[32 * ROWS], xs[32 * X_STRIDE];
  __local int source[TOKENS];
  const Group group = expert_rows(get_group_id(0), TOKENS, READ(int, offset), experts);
  const int t = get_local_id(0);
  if (t < group.count) source[t] = gathered_row(READ(int, slot), used, gather, group.first + t);
  barrier(CLK_LOCAL_MEM_FENCE);
  tile(matrix_at(READ(uchar, w) + each * group.expert, scalesAt, rowBytes, group.count > 0 ? k : 0), 0, get_group_id(1) * ROWS, n,
       group, READ(X, x), k, READ(float, scales), 1, WRITE(float, out), n, ws, xs, source);
}

#ifdef HALVES
// Rounds x[t, h], k wide, to halves, out [T, heads, k], the greatest of a row brought below 4 by a power of two: sums of
// SUMMED products with weights below 2047 are finite, and of a number a thousandth of the greatest, with a weight of a hundredth,
// some bits are left. scales [T, heads]: what products are multiplied by. What is not finite stays so. Groups (heads, T).
__kernel void half_rows(IN(x), int xStride, int xHeadStride, int xOffset, int k, OUT(out), OUT(scales), __local float* shared) {
  const int h = get_group_id(0), item = get_local_id(0), items = get_local_size(0);
  const ulong t = get_group_id(1), row = t * get_num_groups(0) + h;
  const __global float* from = READ(float, x) + t * xStride + h * xHeadStride + xOffset;
  float most = 0;
  for (int i = item; i < k; i += items) most = fmax(most, fabs(from[i]));
  most = group_max(most, shared);
  const int power = most > 0 && isfinite(most) ? min(1 - ilogb(most), 126) : 0;
  const float factor = ldexp(1.0f, power);
  for (int i = item; i < k; i += items) vstore_half_rte(from[i] * factor, row * k + i, (__global half*)WRITE(ushort, out));
  if (item == 0) WRITE(float, scales)[row] = ldexp(1.0f, -power);
}
#endif
