// Products of many rows: formats of four bits and more; and their activations.
#include "gemm.cuh"

namespace yuzui {

// xh [heads][T][⌈k/32⌉·32] F16 from x, in the order of activations.cuh, each row under a power of two, and the inverse of that
// in xScale [heads][T]. grid (T, heads), block 256.
KERNEL_BOUNDED(to_half, 256, 4,
               (const float* x, int xStride, int xHeadStride, int xOffset, int k, int heads, int T, u16* xh, float* xScale)) {
  begin_kernel();
  __shared__ float largest_of[8];
  const int t = blockIdx.x, head = blockIdx.y;
  const float* from = x + (int64_t)t * xStride + head * xHeadStride + xOffset;
  const int units = ceil_div(k, UNIT);
  float magnitude = 0;
  for (int i = threadIdx.x; i < units * 8; i += 256) magnitude = fmaxf(magnitude, largest(read4(from + 4 * i, k - 4 * i)));
  magnitude = warp_max(magnitude);
  if (lane() == 0) largest_of[warp()] = magnitude;
  __syncthreads();
  for (int i = 0; i < 8; i++) magnitude = fmaxf(magnitude, largest_of[i]);
  const PowerOfTwo p = f16_range(magnitude);
  u16* to = xh + ((int64_t)head * T + t) * (units * UNIT);
  for (int i = threadIdx.x; i < units * 8; i += 256) {
    const float4 v = read4(from + 4 * i, k - 4 * i);
    const int u = i / 8, j = i % 8 / 4, c = i % 4;
    *reinterpret_cast<uint2*>(to + u * UNIT + 8 * c + 4 * j) =
        make_uint2(pack_half2(v.x * p.scale, v.y * p.scale), pack_half2(v.z * p.scale, v.w * p.scale));
  }
  if (threadIdx.x == 0) xScale[(int64_t)head * T + t] = p.inverse;
}

TYPES(GEMM)

}  // namespace yuzui
