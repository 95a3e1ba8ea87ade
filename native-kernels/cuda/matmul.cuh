// The plain product: F32 weights as they lie, or tiles decoded number by number; any shape, sums in F32.
#pragma once

#include "activations.cuh"
#include "groups.cuh"

namespace yuzui {
namespace {

template <class Q>
__device__ void matmul(const u8* w, const u64* table, const float* x, int xStride, int xHeadStride, int xOffset, float* out,
                       int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads, const int* offset,
                       const int* slot, int used, int gather, int experts) {
  const bool grouped = offset != nullptr;
  const Group group = token_tile(blockIdx.y, few_rows(T), T, offset, experts);
  const int blocks = ceil_div(n, 8);
  const int head = blockIdx.x / blocks;
  const int i = blockIdx.x % blocks * 8 + warp();  // the row of w within the head
  if (group.count <= 0 || i >= n) return;
  const u8* matrix = grouped ? reinterpret_cast<const u8*>(table[group.expert]) : w;
  const int row = head * n + i;

  const float* from[8];
#pragma unroll
  for (int t = 0; t < 8; t++) {
    const int place = group.first + (t < group.count ? t : 0);
    const int source = grouped ? gathered_row(slot, used, gather, place) : place;
    from[t] = x + (int64_t)source * xStride + head * xHeadStride + xOffset;
  }
  float sum[8] = {};
  for (int col = lane(); col < k; col += 32) {
    const float weight = weight_at<Q>(matrix, n * heads, k, row, col);
#pragma unroll
    for (int t = 0; t < 8; t++) {
      if (t < group.count) sum[t] += weight * from[t][col];
    }
  }
#pragma unroll
  for (int t = 0; t < 8; t++) {
    if (t < group.count) {
      const float total = warp_sum(sum[t]);
      if (lane() == 0) out[(int64_t)(group.first + t) * outStride + head * outHeadStride + outOffset + i] = total;
    }
  }
}

}  // namespace

// out[t, h, outOffset + i] = Σk x[t, h, xOffset + k]·w[h·n + i, k]; grouped (offset given) as Ops.groupedMatmul with gather
// 0 = BY_TOKEN, 1 = IN_PLACE. Strides in numbers. grid (⌈n/8⌉·heads, dense ⌈T/8⌉ or grouped as
// token_tile says for min(T, 8)), block 256.
#define MATMUL(name, Q)                                                                                                  \
  KERNEL_BOUNDED(matmul_##name, 256, 1,                                                                                 \
                 (const u8* w, const u64* table, const float* x, int xStride, int xHeadStride, int xOffset, float* out, \
                  int outStride, int outHeadStride, int outOffset, int T, int n, int k, int heads, const int* offset,   \
                  const int* slot, int used, int gather, int experts)) {                                                \
    begin_kernel();                                                                                                     \
    matmul<Q>(w, table, x, xStride, xHeadStride, xOffset, out, outStride, outHeadStride, outOffset, T, n, k, heads,     \
              offset, slot, used, gather, experts);                                                                     \
  }

}  // namespace yuzui
