// Products of many rows: a work-group has a tile of ROWS rows of w and TOKENS rows of x, and brings both through local memory
// a unit of 32 columns at a time; half of its work-items decode weights while the others fetch x. Devices that have no local
// memory of their own are better served by matvec.cl.
#include "device.clh"
#include "groups.clh"
#include "weights.clh"

#define ITEMS 128
#define ROWS 64
#define TOKENS 64
#define ACROSS 16               // work-items side by side over the rows,
#define DOWN (ITEMS / ACROSS)   // and over the tokens
#define OWN_ROWS (ROWS / ACROSS)
#define OWN_TOKENS (TOKENS / DOWN)
#define X_STRIDE (TOKENS + 1)   // so that neighbours in a column fall into different banks

// The tile of rows `row` … of n (of the matrix: from `base` on) with the group's rows of x, `source` saying which.
INLINE void tile(Matrix w, int base, int row, int n, Group group, const __global float* x, int xStride, __global float* out,
                 int outStride, __local float* ws, __local float* xs, __local const int* source) {
  const int item = get_local_id(0), across = item % ACROSS, down = item / ACROSS;
  const Row own = row_of(w, base + min(row + item % ROWS, n - 1));
  float sum[OWN_TOKENS][OWN_ROWS];
#pragma unroll
  for (int i = 0; i < OWN_TOKENS * OWN_ROWS; i++) sum[i / OWN_ROWS][i % OWN_ROWS] = 0;

  const int units = (w.k + 31) / 32;
  for (int u = 0; u < units; u++) {
    if (item < ROWS) {
      const Unit unit = PARTIAL_UNITS && 32 * u + 32 > w.k ? decode_part(own, u, w.k) : decode(own, u);
      put_unit(unit, ws + item, ROWS);
    } else {
      const int2 c = unit_columns(u);
      const int i = item % 32, column = i < 16 ? c.x + i : c.y + i - 16;
      for (int t = (item - ROWS) / 32; t < TOKENS; t += (ITEMS - ROWS) / 32) {
        xs[i * X_STRIDE + t] = t < group.count && column < w.k ? x[(long)source[t] * xStride + column] : 0;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < 32; i++) {
      float a[OWN_ROWS];
#pragma unroll
      for (int r = 0; r < OWN_ROWS; r++) a[r] = ws[i * ROWS + across + ACROSS * r];
#pragma unroll
      for (int t = 0; t < OWN_TOKENS; t++) {
        const float b = xs[i * X_STRIDE + down + DOWN * t];
#pragma unroll
        for (int r = 0; r < OWN_ROWS; r++) sum[t][r] += a[r] * b;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (int t = 0; t < OWN_TOKENS; t++) {
#pragma unroll
    for (int r = 0; r < OWN_ROWS; r++) {
      const int token = down + DOWN * t, to = row + across + ACROSS * r;
      if (token < group.count && to < n) out[(long)(group.first + token) * outStride + to] = sum[t][r];
    }
  }
}

// As matvec, not gated. Groups: (⌈T / 64⌉, ⌈n / 64⌉, heads); local size 128.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm(IN(w), ulong scalesAt, ulong rowBytes, IN(x), int xStride, int xHeadStride, int xOffset, OUT(out), int outStride,
          int outHeadStride, int outOffset, int T, int n, int k) {
  __local float ws[32 * ROWS], xs[32 * X_STRIDE];
  __local int source[TOKENS];
  const int head = get_group_id(2);
  const Group group = dense_rows(get_group_id(0), TOKENS, T);
  if (get_local_id(0) < TOKENS) source[get_local_id(0)] = group.first + get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  tile(matrix_at(READ(uchar, w), scalesAt, rowBytes, k), head * n, get_group_id(1) * ROWS, n, group,
       READ(float, x) + head * xHeadStride + xOffset, xStride, WRITE(float, out) + head * outHeadStride + outOffset, outStride, ws, xs,
       source);
}

// As matvec_grouped, not gated. Groups: (tiles ≥ Σe ⌈places of e / 64⌉, ⌈n / 64⌉); local size 128.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm_grouped(IN(w), ulong each, ulong scalesAt, ulong rowBytes, IN(x), OUT(out), int n, int k, IN(offset), IN(slot), int experts,
                  int used, int gather) {
  __local float ws[32 * ROWS], xs[32 * X_STRIDE];
  __local int source[TOKENS];
  const Group group = expert_rows(get_group_id(0), TOKENS, READ(int, offset), experts);
  if (group.count <= 0) return;
  const int t = get_local_id(0);
  if (t < group.count) source[t] = gathered_row(READ(int, slot), used, gather, group.first + t);
  barrier(CLK_LOCAL_MEM_FENCE);
  tile(matrix_at(READ(uchar, w) + each * group.expert, scalesAt, rowBytes, k), 0, get_group_id(1) * ROWS, n, group, READ(float, x), k,
       WRITE(float, out), n, ws, xs, source);
}
