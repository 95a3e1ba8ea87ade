// Norms, sums, rotations and the KV cache's entries: kernels that pass over rows once.
#include "entries.cuh"
#include "norm.cuh"
#include "rows.cuh"

namespace yuzui {

// ---- norms ----------------------------------------------------------------------------------------------------------

// out = norm(x) · weight; out may be x. Grid T; block 128 up to 1024 columns, 256 up to 4096, else 512 (any whole warps
// are right, these keep most loads under way); no dynamic shared memory.
KERNEL_BOUNDED(rms_norm, 512, 2, (const float* x, const float* weight, float eps, float* out, int cols)) {
  begin_kernel();
  const long long row = (long long)blockIdx.x * cols;
  normalise<false>(x + row, nullptr, nullptr, weight, eps, out + row, cols);
}

// x += y, out = norm(x) · weight; out may be y. Grid T, block as rms_norm, no dynamic shared memory.
KERNEL_BOUNDED(add_rms_norm, 512, 2, (float* x, const float* y, const float* weight, float eps, float* out, int cols)) {
  begin_kernel();
  const long long row = (long long)blockIdx.x * cols;
  normalise<true>(x + row, y + row, x + row, weight, eps, out + row, cols);
}

// ---- element by element ---------------------------------------------------------------------------------------------

struct Add {
  static __device__ __forceinline__ float of(float a, float b) { return a + b; }
};
struct SiluMul {
  static __device__ __forceinline__ float of(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }
};

template <class Op>
__device__ __forceinline__ void elements(const float* a, const float* b, float* out, long long n) {
  const long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const long long step = (long long)gridDim.x * blockDim.x;
  const long long wide = aligned16(a) && aligned16(b) && aligned16(out) ? n / 4 : 0;
  for (long long u = first; u < wide; u += step) {
    const float4 p = load4(a + 4 * u), q = load4(b + 4 * u);
    store4(out + 4 * u, make_float4(Op::of(p.x, q.x), Op::of(p.y, q.y), Op::of(p.z, q.z), Op::of(p.w, q.w)));
  }
  for (long long i = 4 * wide + first; i < n; i += step) out[i] = Op::of(a[i], b[i]);
}

// out = a + b; out may be a or b. Grid ceil(n / 1024), fewer are right too; block 256, no dynamic shared memory.
KERNEL(add, (const float* a, const float* b, float* out, long long n)) { begin_kernel(); elements<Add>(a, b, out, n); }

// x[t] += row. Grid (T, ceil(C / 1024)), fewer in y are right too; block 256, no dynamic shared memory.
KERNEL(add_row, (float* x, const float* row, int C)) {
  begin_kernel();
  float* to = x + (long long)blockIdx.x * C;
  const int first = blockIdx.y * blockDim.x + threadIdx.x, step = gridDim.y * blockDim.x;
  const int wide = aligned16(to) && aligned16(row) ? C / 4 : 0;
  for (int u = first; u < wide; u += step) store4(to + 4 * u, add4(load4(to + 4 * u), load4(row + 4 * u)));
  for (int i = 4 * wide + first; i < C; i += step) to[i] += row[i];
}

// out = gate / (1 + e^−gate) · up; out may be gate. Grid, block and shared memory as add.
KERNEL(silu_mul, (const float* gate, const float* up, float* out, long long n)) { begin_kernel(); elements<SiluMul>(gate, up, out, n); }

// `heads` runs of `count` floats, xHeadStride and outHeadStride apart; thread `first` of `step`.
__device__ __forceinline__ void copy_runs(const float* x, int xHeadStride, int count, int heads, float* out,
                                          int outHeadStride, int first, int step) {
  if (count % 4 == 0 && xHeadStride % 4 == 0 && outHeadStride % 4 == 0 && aligned16(x) && aligned16(out)) {
    const int n = count / 4;
    for (int u = first; u < heads * n; u += step) {
      const int h = u / n, i = 4 * (u - h * n);
      store4(out + (long long)h * outHeadStride + i, load4(x + (long long)h * xHeadStride + i));
    }
  } else {
    for (int u = first; u < heads * count; u += step) {
      const int h = u / count, i = u - h * count;
      out[(long long)h * outHeadStride + i] = x[(long long)h * xHeadStride + i];
    }
  }
}

// out[t] = [a[t]; b[t]]. Grid (T, ceil((A + B) / 1024)), fewer in y are right too; block 256, no dynamic shared memory.
KERNEL(concat, (const float* a, const float* b, float* out, int A, int B)) {
  begin_kernel();
  const long long t = blockIdx.x;
  const int first = blockIdx.y * blockDim.x + threadIdx.x;
  const int step = gridDim.y * blockDim.x;
  float* row = out + t * (A + B);
  copy_runs(a + t * A, A, A, 1, row, A, first, step);
  copy_runs(b + t * B, B, B, 1, row + A, B, first, step);
}

// out[t, h, outOffset + i] = x[t, h, xOffset + i] for i < count; strides in floats. Grid (T, ceil(heads·count / 1024)),
// fewer in y are right too; block 256, no dynamic shared memory.
KERNEL(copy_per_head, (const float* x, int xStride, int xHeadStride, int xOffset, int count, int heads, float* out,
                       int outStride, int outHeadStride, int outOffset)) {
  begin_kernel();
  const long long t = blockIdx.x;
  copy_runs(x + t * xStride + xOffset, xHeadStride, count, heads, out + t * outStride + outOffset, outHeadStride,
            blockIdx.y * blockDim.x + threadIdx.x, gridDim.y * blockDim.x);
}

// ---- rotations ------------------------------------------------------------------------------------------------------

// Two pairs turned: (a, b) → (a·cos − b·sin, a·sin + b·cos).
__device__ __forceinline__ float4 turned4(float4 v, float4 angle) {
  return make_float4(v.x * angle.x - v.y * angle.y, v.x * angle.y + v.y * angle.x,  //
                     v.z * angle.z - v.w * angle.w, v.z * angle.w + v.w * angle.z);
}

// Turns R floats of each head; thread `first` of `step`. `angle` is the table's row.
__device__ __forceinline__ void turn(const float* x, int xHeadStride, int heads, const float* angle, int R, float* out,
                                     int outHeadStride, int first, int step) {
  if (R % 4 == 0 && xHeadStride % 4 == 0 && outHeadStride % 4 == 0 && aligned16(x) && aligned16(out) &&
      aligned16(angle)) {
    const int n = R / 4;
    for (int u = first; u < heads * n; u += step) {
      const int h = u / n, i = 4 * (u - h * n);
      store4(out + (long long)h * outHeadStride + i,
             turned4(load4(x + (long long)h * xHeadStride + i), load4(angle + i)));
    }
  } else {
    const int n = R / 2;
    for (int u = first; u < heads * n; u += step) {
      const int h = u / n, i = 2 * (u - h * n);
      const float* from = x + (long long)h * xHeadStride + i;
      float* to = out + (long long)h * outHeadStride + i;
      const float a = from[0], b = from[1], c = angle[i], s = angle[i + 1];
      to[0] = a * c - b * s;
      to[1] = a * s + b * c;
    }
  }
}

// out[t, h, outOffset…] = x[t, h, xOffset…] turned by table[position[t]]; x and out may be one tensor with equal
// strides and offsets. table [positions, R]: cos and sin of pair i at columns 2i and 2i+1. Grid (T, ceil(heads·R /
// 1024)), fewer in y are right too; block 256, no dynamic shared memory.
KERNEL(rope, (const float* x, int xStride, int xHeadStride, int xOffset, int heads, const float* table, int R,
              const int* position, float* out, int outStride, int outHeadStride, int outOffset)) {
  begin_kernel();
  const long long t = blockIdx.x;
  turn(x + t * xStride + xOffset, xHeadStride, heads, table + (long long)position[t] * R, R,
       out + t * outStride + outOffset, outHeadStride, blockIdx.y * blockDim.x + threadIdx.x, gridDim.y * blockDim.x);
}

// ---- the cache ------------------------------------------------------------------------------------------------------

// [norm(latent); turned key] of one row at element `at` of the cache, by the whole block.
template <class Cache>
__device__ __forceinline__ void append(const float* kv, const float* norm, float eps, const float* angle, int Lkv,
                                       int R, void* entries, long long at) {
  __shared__ float sums[32];
  const int first = threadIdx.x;
  const int step = blockDim.x;
  float squares = 0;
  if (Lkv % 4 == 0 && R % 4 == 0 && aligned16(kv) && aligned16(norm) && aligned16(angle) && aligned16(entries)) {
    const int latent = Lkv / 4, units = latent + R / 4;
    float4 v = make_float4(0, 0, 0, 0), w = v;
    if (first < units) {  // a thread's first four are loaded before the sum; most shapes have no more
      v = load4(kv + 4 * first);
      w = load4(first < latent ? norm + 4 * first : angle + 4 * (first - latent));
    }
    if (first < latent) squares = dot4(v, v);
    for (int u = first + step; u < latent; u += step) squares += dot4(load4(kv + 4 * u), load4(kv + 4 * u));
    const float scale = 1.0f / sqrtf(block_sum(squares, sums) / Lkv + eps);
    for (int u = first; u < units; u += step) {
      if (u != first) {
        v = load4(kv + 4 * u);
        w = load4(u < latent ? norm + 4 * u : angle + 4 * (u - latent));
      }
      Cache::put4(entries, at + 4 * u, u < latent ? scaled4(v, scale, w) : turned4(v, w));
    }
    return;
  }
  for (int l = first; l < Lkv; l += step) squares += kv[l] * kv[l];
  const float scale = 1.0f / sqrtf(block_sum(squares, sums) / Lkv + eps);
  for (int l = first; l < Lkv; l += step) Cache::put(entries, at + l, kv[l] * scale * norm[l]);
  for (int i = 2 * first; i < R; i += 2 * step) {
    const float a = kv[Lkv + i], b = kv[Lkv + i + 1], c = angle[i], s = angle[i + 1];
    Cache::put(entries, at + Lkv + i, a * c - b * s);
    Cache::put(entries, at + Lkv + i + 1, a * s + b * c);
  }
}

template <class Cache>
__device__ __forceinline__ void rope_append(float* q, int qStride, int qHeadStride, int qOffset, int heads,
                                            const float* kv, const float* norm, float eps, const float* table, int Lkv,
                                            int R, void* entries, int pageTokens, const int* position,
                                            const int* sequence, const int* pages, int pagesPerSequence) {
  const long long t = blockIdx.x;
  const int p = position[t];
  const float* angle = table + (long long)p * R;
  if (blockIdx.y > 0) {
    float* row = q + t * qStride + qOffset;
    turn(row, qHeadStride, heads, angle, R, row, qHeadStride, (blockIdx.y - 1) * blockDim.x + threadIdx.x,
         (gridDim.y - 1) * blockDim.x);
    return;
  }
  const int s = sequence[t];
  if (s < 0) return;
  const int page = pages[(long long)s * pagesPerSequence + p / pageTokens];
  const long long entry = (long long)page * pageTokens + p % pageTokens;
  append<Cache>(kv + t * (Lkv + R), norm, eps, angle, Lkv, R, entries, entry * (Lkv + R));
}

// rope_append_<f32|f16|bf16|e4m3>: stores [norm(latent) · norm; turned key] of each row whose sequence is not −1, and
// turns R floats of each head of q in place if q is not null. kv [T, Lkv + R]. Grid (T, 1) without q, (T, 1 +
// ceil(heads·R / 1024)) with it, where 2 in y are right too; block 256, no dynamic shared memory.
#define ROPE_APPEND(type, Cache)                                                                                   \
  KERNEL(rope_append_##type,                                                                                       \
         (float* q, int qStride, int qHeadStride, int qOffset, int heads, const float* kv, const float* norm,      \
          float eps, const float* table, int Lkv, int R, void* entries, int pageTokens, const int* position,       \
          const int* sequence, const int* pages, int pagesPerSequence)) {                                          \
    begin_kernel();                                                                                                \
    rope_append<Cache>(q, qStride, qHeadStride, qOffset, heads, kv, norm, eps, table, Lkv, R, entries, pageTokens, \
                       position, sequence, pages, pagesPerSequence);                                               \
  }
ROPE_APPEND(f32, CacheF32)
ROPE_APPEND(f16, CacheF16)
ROPE_APPEND(bf16, CacheBf16)
ROPE_APPEND(e4m3, CacheE4m3)

// The indexer's key of one row at element `at` of the cache, by the whole block: its mean taken out, normalised, the first R numbers
// turned and, if `spread`, multiplied by Sylvester's Hadamard matrix / √I. x: I floats on chip.
template <class Cache>
__device__ __forceinline__ void append_index(const float* key, const float* norm, const float* bias, float eps, const float* angle,
                                             int R, int I, int spread, void* entries, long long at, float* x) {
  __shared__ float sums[32], squares[32];
  const int first = threadIdx.x, step = blockDim.x;
  float sum = 0;
  for (int i = first; i < I; i += step) sum += key[i];
  const float mean = block_sum(sum, sums) / I;
  float square = 0;
  for (int i = first; i < I; i += step) square += (key[i] - mean) * (key[i] - mean);
  const float scale = 1.0f / sqrtf(block_sum(square, squares) / I + eps);
  for (int i = first; i < I; i += step) x[i] = (key[i] - mean) * scale * norm[i] + bias[i];
  __syncthreads();
  for (int i = 2 * first; i < R; i += 2 * step) {
    const float a = x[i], b = x[i + 1], c = angle[i], s = angle[i + 1];
    x[i] = a * c - b * s;
    x[i + 1] = a * s + b * c;
  }
  for (int gap = 1; spread && gap < I; gap *= 2) {
    __syncthreads();
    for (int p = first; p < I / 2; p += step) {
      const int i = p / gap * 2 * gap + p % gap;
      const float a = x[i], b = x[i + gap];
      x[i] = a + b;
      x[i + gap] = a - b;
    }
  }
  __syncthreads();
  const float by = spread ? 1.0f / sqrtf((float)I) : 1.0f;
  for (int i = first; i < I; i += step) Cache::put(entries, at + i, x[i] * by);
}

// append_index_<f32|f16|bf16|e4m3>: of each row whose sequence is not −1. keys [T, I]. Grid T, block 128 or fewer whole warps, I
// floats of dynamic shared memory.
#define APPEND_INDEX(type, Cache)                                                                                        \
  KERNEL(append_index_##type,                                                                                            \
         (const float* keys, const float* norm, const float* bias, float eps, const float* table, int R, int I, int spread, \
          void* entries, int pageTokens, const int* position, const int* sequence, const int* pages, int pagesPerSequence)) { \
    begin_kernel();                                                                                                      \
    DYNAMIC_SHARED(memory);                                                                                              \
    const long long t = blockIdx.x;                                                                                      \
    const int s = sequence[t], p = position[t];                                                                          \
    if (s < 0) return;                                                                                                   \
    const int page = pages[(long long)s * pagesPerSequence + p / pageTokens];                                            \
    const long long entry = (long long)page * pageTokens + p % pageTokens;                                               \
    append_index<Cache>(keys + t * I, norm, bias, eps, table + (long long)p * R, R, I, spread, entries, entry * I,       \
                        reinterpret_cast<float*>(memory));                                                               \
  }
APPEND_INDEX(f32, CacheF32)
APPEND_INDEX(f16, CacheF16)
APPEND_INDEX(bf16, CacheBf16)
APPEND_INDEX(e4m3, CacheE4m3)

// [turned key; value] of each head of one row at element `at` of the cache; thread `first` of `step`.
template <class Cache>
__device__ __forceinline__ void append_heads(const float* k, const float* v, const float* angle, int G, int D,
                                             void* entries, long long at, int first, int step) {
  if (D % 4 == 0 && aligned16(k) && aligned16(v) && aligned16(angle) && aligned16(entries)) {
    for (int u = first; u < G * (D / 4); u += step) {
      const int g = u / (D / 4), i = 4 * u - g * D;
      Cache::put4(entries, at + 2LL * g * D + i, turned4(load4(k + 4 * u), load4(angle + i)));
      Cache::put4(entries, at + 2LL * g * D + D + i, load4(v + 4 * u));
    }
    return;
  }
  for (int u = first; u < G * (D / 2); u += step) {
    const int g = u / (D / 2), i = 2 * u - g * D;
    const long long to = at + 2LL * g * D + i;
    const float a = k[2 * u], b = k[2 * u + 1], c = angle[i], s = angle[i + 1];
    Cache::put(entries, to, a * c - b * s);
    Cache::put(entries, to + 1, a * s + b * c);
    Cache::put(entries, to + D, v[2 * u]);
    Cache::put(entries, to + D + 1, v[2 * u + 1]);
  }
}

// append_<f32|f16|bf16|e4m3>: stores [turned key; value] of each of G heads of each row whose sequence is not −1. k, v [T,
// G·D]. Grid (T, ceil(G·D / 1024)), fewer in y are right too; block 256, no dynamic shared memory.
#define APPEND(type, Cache)                                                                                        \
  KERNEL(append_##type, (const float* k, const float* v, const float* table, int G, int D, void* entries,          \
                         int pageTokens, const int* position, const int* sequence, const int* pages,               \
                         int pagesPerSequence)) {                                                                  \
    begin_kernel();                                                                                                \
    const long long t = blockIdx.x;                                                                                \
    const int s = sequence[t], p = position[t];                                                                    \
    if (s < 0) return;                                                                                             \
    const int page = pages[(long long)s * pagesPerSequence + p / pageTokens];                                      \
    const long long entry = (long long)page * pageTokens + p % pageTokens;                                         \
    append_heads<Cache>(k + t * G * D, v + t * G * D, table + (long long)p * D, G, D, entries, entry * 2 * G * D,  \
                        blockIdx.y * blockDim.x + threadIdx.x, gridDim.y * blockDim.x);                            \
  }
APPEND(f32, CacheF32)
APPEND(f16, CacheF16)
APPEND(bf16, CacheBf16)
APPEND(e4m3, CacheE4m3)

}  // namespace yuzui
