// Manifold-constrained hyper-connections (arXiv:2512.24880): see CompressedOps. x [T, S·H], one stream behind the other.
#include "rows.cuh"

namespace yuzui {

constexpr int MOST = 8;  // streams

// Each of the S lines, `line` apart, of numbers `step` apart, divided by its sum + eps. By a warp.
__device__ __forceinline__ void divide_lines(float* m, int S, int line, int step, float eps) {
  if (lane() < S) {
    float* of = m + lane() * line;
    float sum = 0;
    for (int j = 0; j < S; j++) sum += of[j * step];
    const float by = 1.0f / (sum + eps);
    for (int j = 0; j < S; j++) of[j * step] *= by;
  }
  __syncwarp();
}

// out[t] = Σi pre[i]·x[t, i], and post and res to mix, if it is not null. mixes [T, M], base [M], scale [1] or [3]; M is S, or
// S·(2+S), S up to 8. Grid T, block 512 or fewer whole warps, two at least; no dynamic shared memory. The first warp makes res
// while the others read.
KERNEL_BOUNDED(read_streams, 512, 1,
               (const float* x, const float* mixes, int M, const float* base, const float* scale, int S, int H, int iterations,
                float eps, float normEps, float* mix, float* out)) {
  begin_kernel();
  __shared__ float sums[32];
  __shared__ float z[MOST * (2 + MOST)];
  const long long t = blockIdx.x;
  const int all = S * H;
  const float* streams = x + t * all;
  float* to = out + t * H;
  const bool wide = H % 4 == 0 && aligned16(x) && aligned16(out);
  float squares = 0;
  if (wide) {
    for (int u = threadIdx.x; u < all / 4; u += blockDim.x) squares += dot4(load4(streams + 4 * u), load4(streams + 4 * u));
  } else {
    for (int c = threadIdx.x; c < all; c += blockDim.x) squares += streams[c] * streams[c];
  }
  const float root = sqrtf(block_sum(squares, sums) / all + normEps);
  for (int i = threadIdx.x; i < M; i += blockDim.x) {
    const float v = mixes[t * M + i] / root * scale[min(i / S, 2)] + base[i];
    z[i] = i < S ? 1.0f / (1.0f + expf(-v)) + eps : i < 2 * S ? 2.0f / (1.0f + expf(-v)) : v;
  }
  __syncthreads();
  if (mix != nullptr && warp() == 0) {
    float* res = z + 2 * S;
    if (lane() < S) {
      float* row = res + lane() * S;
      float most = -INFINITY, sum = 0;
      for (int j = 0; j < S; j++) most = fmaxf(most, row[j]);
      for (int j = 0; j < S; j++) {
        row[j] = expf(row[j] - most);
        sum += row[j];
      }
      for (int j = 0; j < S; j++) row[j] = row[j] / sum + eps;
    }
    __syncwarp();
    divide_lines(res, S, 1, S, eps);
    for (int n = 1; n < iterations; n++) {
      divide_lines(res, S, S, 1, eps);
      divide_lines(res, S, 1, S, eps);
    }
    for (int i = lane(); i < S + S * S; i += 32) mix[t * (S + S * S) + i] = z[S + i];
    return;
  }
  const int before = mix != nullptr ? 32 : 0;
  const int first = threadIdx.x - before, step = blockDim.x - before;
  if (wide) {
    for (int u = first; u < H / 4; u += step) {
      float4 sum = make_float4(0, 0, 0, 0);
      for (int i = 0; i < S; i++) {
        const float4 v = load4(streams + i * H + 4 * u);
        sum.x += z[i] * v.x;
        sum.y += z[i] * v.y;
        sum.z += z[i] * v.z;
        sum.w += z[i] * v.w;
      }
      store4(to + 4 * u, sum);
    }
  } else {
    for (int c = first; c < H; c += step) {
      float sum = 0;
      for (int i = 0; i < S; i++) sum += z[i] * streams[i * H + c];
      to[c] = sum;
    }
  }
}

// x[t, j] = post[j]·y[t] + Σi res[i, j]·x[t, i]. Grid (T, ceil(H / 256)), fewer in y are right too; block 256, no dynamic shared
// memory.
KERNEL(write_streams, (float* x, const float* y, const float* mix, int S, int H)) {
  begin_kernel();
  __shared__ float by[MOST * (1 + MOST)];
  const long long t = blockIdx.x;
  for (int i = threadIdx.x; i < S + S * S; i += blockDim.x) by[i] = mix[t * (S + S * S) + i];
  __syncthreads();
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < H; c += gridDim.y * blockDim.x) {
    float* to = x + t * S * H + c;
    const float more = y[t * H + c];
    float before[MOST];
#pragma unroll
    for (int i = 0; i < MOST; i++) before[i] = i < S ? to[(long long)i * H] : 0.0f;
    for (int j = 0; j < S; j++) {
      float sum = by[j] * more;
#pragma unroll
      for (int i = 0; i < MOST; i++) {
        if (i < S) sum += by[S + i * S + j] * before[i];
      }
      to[(long long)j * H] = sum;
    }
  }
}

}  // namespace yuzui
