// DeepSeek-V4 besides attention.cu and streams.cu: rings of the last rows of each sequence, blocks that tokens are pooled into,
// rounding, what a row looks at, experts that a token names, and an activation that clamps. See CompressedOps and Ring.
#include "cache.cuh"
#include "entries.cuh"
#include "rows.cuh"

namespace yuzui {

// out[i] = length[i] / tokens. Grid ceil(n / 256), block 256, no dynamic shared memory.
KERNEL(whole_blocks, (const int* length, int tokens, int* out, int n)) {
  begin_kernel();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = length[i] / tokens;
}

// ---- rings ------------------------------------------------------------------------------------------------------------

// The row of position p of sequence s.
__device__ __forceinline__ long long ring_row(long long first, int length, int s, int p) {
  return first + (long long)s * length + p % length;
}

// Whether the row `back` positions before row t's is of the step.
__device__ __forceinline__ bool in_step(const int* sequence, int t, int back) {
  return back <= t && sequence[t - back] == sequence[t];
}

template <class Cache>
__device__ __forceinline__ void put_row(const float* from, int W, void* rows, long long row) {
  if (W % 4 == 0 && aligned16(from) && aligned16(rows)) {
    for (int u = threadIdx.x; u < W / 4; u += blockDim.x) Cache::put4(rows, row * W + 4 * u, load4(from + 4 * u));
  } else {
    for (int c = threadIdx.x; c < W; c += blockDim.x) Cache::put(rows, row * W + c, from[c]);
  }
}

// stage_<f32|f16|bf16|e4m3>: row t of x [T, W] to row `staged` + t. keep_<…>: to the ring of its sequence, unless it is padding or a
// later row of the step comes to lie there. Grid T, block 128, no dynamic shared memory.
#define RINGS(type, Cache)                                                                                               \
  KERNEL(stage_##type, (const float* x, int W, void* rows, long long staged)) {                                          \
    begin_kernel();                                                                                                      \
    put_row<Cache>(x + (long long)blockIdx.x * W, W, rows, staged + blockIdx.x);                                         \
  }                                                                                                                      \
  KERNEL(keep_##type, (const float* x, int W, void* rows, long long first, int length, const int* position,              \
                       const int* sequence, int T)) {                                                                    \
    begin_kernel();                                                                                                      \
    const int t = blockIdx.x, s = sequence[t];                                                                           \
    if (s < 0 || (t + length < T && sequence[t + length] == s)) return;                                                  \
    put_row<Cache>(x + (long long)t * W, W, rows, ring_row(first, length, s, position[t]));                              \
  }
RINGS(f32, CacheF32)
RINGS(f16, CacheF16)
RINGS(bf16, CacheBf16)
RINGS(e4m3, CacheE4m3)

// ---- rounding ---------------------------------------------------------------------------------------------------------

enum { E4M3 = 1, E2M1 = 2 };

__device__ __forceinline__ float with_sign(float size, float v) {
  return bits_float(float_bits(size) | (float_bits(v) & 0x80000000u));
}

// Nearest, ties to even; |v| is no more than 448.
__device__ __forceinline__ float e4m3_number(float v) {
  const float size = fabsf(v);
  const unsigned bits = float_bits(size);
  const float rounded = size < 0x1p-6f ? (size + 16384.0f) - 16384.0f  // steps of 2^-9, as a float of 2^14 has
                                       : bits_float((bits + 0x7ffff + (bits >> 20 & 1)) & 0xfff00000u);
  return with_sign(rounded, v);
}

// Of no more than 6: halves up to 2, whole numbers to 4, then 6.
__device__ __forceinline__ float e2m1_number(float v) {
  const float size = fabsf(v), unit = size < 2 ? 0.5f : size < 4 ? 1.0f : 2.0f, each = size < 2 ? 2.0f : size < 4 ? 1.0f : 0.5f;
  return with_sign(((size * each + 8388608.0f) - 8388608.0f) * unit, v);  // 2^23 has steps of 1
}

// The least power of two by which none of `most` is above the greatest code: 448 is 1.75·2^8, 6 is 1.5·2^2.
__device__ __forceinline__ float scale_e4m3(float most) {
  return bits_float(((float_bits(most) + 0x1fffffu) & 0x7f800000u) - (8u << 23));
}
__device__ __forceinline__ float scale_e2m1(float most) {
  return bits_float(((float_bits(most) + 0x3fffffu) & 0x7f800000u) - (2u << 23));
}
__device__ __forceinline__ float inverse_of(float power) { return bits_float((254u << 23) - float_bits(power)); }

// A head's numbers, in shared memory, as they are kept; a warp for each block of them. The block of threads has passed a barrier
// since x was written, and passes one at the end.
__device__ __forceinline__ void round_head(float* x, int D, int R, int rounding) {
  const int warps = blockDim.x / 32;
  if (rounding == E4M3) {
    for (int b = warp(); b < (D - R) / 64; b += warps) {
      float* of = x + 64 * b + lane();
      const float most = warp_max(fmaxf(1e-4f, fmaxf(fabsf(of[0]), fabsf(of[32]))));
      const float scale = scale_e4m3(most), inverse = inverse_of(scale);
      of[0] = e4m3_number(of[0] * inverse) * scale;
      of[32] = e4m3_number(of[32] * inverse) * scale;
    }
  } else if (rounding == E2M1) {
    for (int gap = 1; gap < D; gap *= 2) {
      for (int p = threadIdx.x; p < D / 2; p += blockDim.x) {
        const int i = p / gap * 2 * gap + p % gap;
        const float a = x[i], b = x[i + gap];
        x[i] = a + b;
        x[i + gap] = a - b;
      }
      __syncthreads();
    }
    const float spread = 1.0f / sqrtf((float)D);
    for (int b = warp(); b < D / 32; b += warps) {
      const float v = x[32 * b + lane()] * spread;
      const float most = warp_max(fmaxf(6 * 0x1p-126f, fabsf(v)));
      const float scale = scale_e2m1(most);
      x[32 * b + lane()] = e2m1_number(v * inverse_of(scale)) * scale;
    }
  }
  __syncthreads();
}

// Each head of each row, D wide, in place. Grid T · heads, block 128 or fewer whole warps, D floats of dynamic shared memory.
KERNEL(round_heads, (float* x, int D, int R, int rounding)) {
  begin_kernel();
  DYNAMIC_SHARED(memory);
  float* head = reinterpret_cast<float*>(memory);
  float* own = x + (long long)blockIdx.x * D;
  for (int i = threadIdx.x; i < D; i += blockDim.x) head[i] = own[i];
  __syncthreads();
  round_head(head, D, R, rounding);
  for (int i = threadIdx.x; i < D; i += blockDim.x) own[i] = head[i];
}

// ---- blocks -----------------------------------------------------------------------------------------------------------

// The block that row t completes, in `block`: pooled, normalised, turned. See append_block.
__device__ __forceinline__ void pool_block(const float* x, const float* ape, const float* norm, float eps, const float* angle,
                                           const float* state, long long first, int length, int r, int wide, int D, int R, int t,
                                           int s, int p, const int* sequence, float* block) {
  __shared__ float sums[32];
  const int slots = min(p + 1, r * (wide / D));
  float squares = 0;
  for (int c = threadIdx.x; c < D; c += blockDim.x) {
    float most = -INFINITY, total = 0, sum = 0;
    for (int back = slots - 1; back >= 0; back--) {
      const float* row = in_step(sequence, t, back) ? x + (long long)(t - back) * 2 * wide
                                                    : state + ring_row(first, length, s, p - back) * 2 * wide;
      const int channel = back < r ? wide - D + c : c;
      const float g = row[wide + channel] + ape[(long long)((p - back) % r) * wide + channel];
      const float top = fmaxf(most, g), less = expf(most - top), by = expf(g - top);
      total = total * less + by;
      sum = sum * less + by * row[channel];
      most = top;
    }
    sum /= total;
    block[c] = sum;
    squares += sum * sum;
  }
  const float scale = 1.0f / sqrtf(block_sum(squares, sums) / D + eps);
  for (int c = threadIdx.x; c < D; c += blockDim.x) block[c] *= scale * norm[c];
  __syncthreads();
  float* last = block + D - R;
  for (int i = 2 * threadIdx.x; i < R; i += 2 * blockDim.x) {
    const float a = last[i], b = last[i + 1], cosine = angle[i], sine = angle[i + 1];
    last[i] = a * cosine - b * sine;
    last[i + 1] = a * sine + b * cosine;
  }
  __syncthreads();
}

// append_block_<f32|f16|bf16|e4m3>: the block that each row completes, if it does, as an entry of the cache. x and the ring's rows
// hold [u; g], each `wide`, which is D or, where blocks overlap, 2·D; blocks are of r tokens. Grid T, block 128 or fewer whole
// warps, D floats of dynamic shared memory.
#define APPEND_BLOCK(type, Cache)                                                                                                 \
  KERNEL(append_block_##type,                                                                                                     \
         (const float* x, const float* ape, const float* norm, float eps, const float* table, int rounding, const float* state,   \
          long long first, int length, void* entries, int pageTokens, int r, int wide, int D, int R, const int* position,         \
          const int* sequence, const int* pages, int pagesPerSequence)) {                                                         \
    begin_kernel();                                                                                                               \
    DYNAMIC_SHARED(memory);                                                                                                       \
    float* block = reinterpret_cast<float*>(memory);                                                                              \
    const int t = blockIdx.x, s = sequence[t], p = position[t];                                                                   \
    if (s < 0 || (p + 1) % r != 0) return;                                                                                        \
    pool_block(x, ape, norm, eps, table + (long long)(p + 1 - r) * R, state, first, length, r, wide, D, R, t, s, p, sequence,     \
               block);                                                                                                            \
    round_head(block, D, R, rounding);                                                                                            \
    const long long entry = entry_row(pages + (long long)s * pagesPerSequence, pageTokens, p / r);                                \
    for (int c = threadIdx.x; c < D; c += blockDim.x) Cache::put(entries, entry * D + c, block[c]);                               \
  }
APPEND_BLOCK(f32, CacheF32)
APPEND_BLOCK(f16, CacheF16)
APPEND_BLOCK(bf16, CacheBf16)
APPEND_BLOCK(e4m3, CacheE4m3)

// ---- what a row looks at ----------------------------------------------------------------------------------------------

// rows [T, most]: of each row the last `window` tokens, then chosen [T, mostChosen] as far as many[t] or, if that is null, the
// first seen[t] entries of its sequence, if that is not; −1 behind them. Grid (T, ceil(most / 256)), block 256, no dynamic shared
// memory.
KERNEL(look, (long long first, int length, long long staged, int window, const int* seen, int pageTokens, const int* chosen,
              const int* many, int mostChosen, const int* position, const int* sequence, const int* pages, int pagesPerSequence,
              int* rows, int most, int* sequences, int* counts)) {
  begin_kernel();
  const int t = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x;
  if (i >= most) return;
  const int s = sequence[t], p = position[t];
  const int recent = s < 0 ? 0 : min(window, p + 1);
  const int more = s < 0 ? 0 : chosen != nullptr ? many[t] : seen != nullptr ? seen[t] : 0;
  int row = -1;
  if (i < recent) {
    const int back = recent - 1 - i;
    row = (int)(in_step(sequence, t, back) ? staged + t - back : ring_row(first, length, s, p - back));
  } else if (i < recent + more) {
    const int e = i - recent;
    row = chosen != nullptr ? chosen[(long long)t * mostChosen + e]
                            : entry_row(pages + (long long)s * pagesPerSequence, pageTokens, e);
  }
  rows[(long long)t * most + i] = row;
  if (i == 0) {
    sequences[t] = s < 0 ? -1 : t;
    counts[t] = recent + more;
  }
}

// ---- experts ----------------------------------------------------------------------------------------------------------

// The K experts that the table [V, K] names for each row's token; scoring as in experts.cu. Grid T, block 32, no dynamic shared
// memory.
KERNEL(route_by_token, (const float* logits, const int* table, const int* token, int E, int K, int scoring, int normalise,
                        float scale, const int* sequence, int* ids, float* weights)) {
  begin_kernel();
  const long long t = blockIdx.x;
  const bool padding = sequence[t] < 0;
  const float* logit = logits + t * E;
  const int* named = table + (long long)token[t] * K;
  float most = -INFINITY, whole = 0;
  if (scoring == 0) {
    for (int e = lane(); e < E; e += 32) most = fmaxf(most, logit[e]);
    most = warp_max(most);
    for (int e = lane(); e < E; e += 32) whole += expf(logit[e] - most);
    whole = warp_sum(whole);
  }
  auto score = [&](float z) {
    return scoring == 0   ? expf(z - most) / whole
           : scoring == 1 ? 1.0f / (1.0f + expf(-z))
                          : sqrtf(fmaxf(z, 0.0f) + log1pf(expf(-fabsf(z))));
  };
  float chosen = 0;
  for (int k = lane(); k < K; k += 32) chosen += score(logit[named[k]]);
  chosen = warp_sum(chosen);
  const float factor = scale / (normalise ? chosen + 1e-20f : 1.0f);
  for (int k = lane(); k < K; k += 32) {
    ids[t * K + k] = padding ? -1 : named[k];
    weights[t * K + k] = padding ? 0.0f : score(logit[named[k]]) * factor;
  }
}

// out = silu(min(gate, limit)) · clamp(up, −limit, limit); out may be gate. Grid ceil(n / 1024), fewer are right too; block 256, no
// dynamic shared memory.
KERNEL(clamped_silu_mul, (const float* gate, const float* up, float limit, float* out, long long n)) {
  begin_kernel();
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
    const float z = gate[i], v = up[i];  // of which NaN stays
    const float g = z > limit ? limit : z, u = v > limit ? limit : v < -limit ? -limit : v;
    out[i] = g / (1.0f + expf(-g)) * u;
  }
}

}  // namespace yuzui
