// What RMS norms share.
#pragma once

#include "rows.cuh"

namespace yuzui {

// Groups of four columns that a thread holds in registers between the sum and the product.
constexpr int HELD = 4;

// v = x + y if ADD, else x, then stored at `sum` if ADD; out = v / √(mean(v²) + eps) · weight. One row. y4(c) is y's columns c to
// c + 3, where `aligned` says that they can be had at once, and y1(c) column c; each is asked for once.
template <bool ADD, class Y4, class Y1>
__device__ __forceinline__ void normalise(const float* x, bool aligned, Y4 y4, Y1 y1, float* sum, const float* weight, float eps,
                                          float* out, int cols) {
  __shared__ float sums[32];
  const int first = threadIdx.x;
  const int step = blockDim.x;
  float squares = 0;
  const bool wide =
      cols % 4 == 0 && cols <= 4 * HELD * step && aligned16(x) && aligned16(weight) && aligned16(out) && aligned;
  if (wide) {
    const int n = cols / 4;
    const float4 zero = make_float4(0, 0, 0, 0);
    float4 v[HELD], w[HELD], more[HELD];
#pragma unroll
    for (int i = 0; i < HELD; i++) {  // everything is under way before the first sum waits
      const int u = first + i * step;
      v[i] = u < n ? load4(x + 4 * u) : zero;
      if (ADD) more[i] = u < n ? y4(4 * u) : zero;
      w[i] = u < n ? load4(weight + 4 * u) : zero;
    }
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int u = first + i * step;
      if (ADD) {
        v[i] = add4(v[i], more[i]);
        if (u < n) store4(sum + 4 * u, v[i]);
      }
      squares += dot4(v[i], v[i]);
    }
    const float scale = 1.0f / sqrtf(block_sum(squares, sums) / cols + eps);
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int u = first + i * step;
      if (u < n) store4(out + 4 * u, scaled4(v[i], scale, w[i]));
    }
    return;
  }
  for (int c = first; c < cols; c += step) {
    float v = x[c];
    if (ADD) {
      v += y1(c);
      sum[c] = v;
    }
    squares += v * v;
  }
  const float scale = 1.0f / sqrtf(block_sum(squares, sums) / cols + eps);
  const float* from = ADD ? sum : x;
  for (int c = first; c < cols; c += step) out[c] = from[c] * scale * weight[c];
}

// The same where y is a row of memory.
template <bool ADD>
__device__ __forceinline__ void normalise(const float* x, const float* y, float* sum, const float* weight, float eps,
                                          float* out, int cols) {
  normalise<ADD>(x, !ADD || aligned16(y), [&](int c) { return load4(y + c); }, [&](int c) { return y[c]; }, sum, weight, eps, out,
                 cols);
}

}  // namespace yuzui
