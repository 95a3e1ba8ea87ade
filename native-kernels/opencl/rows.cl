// Norms, sums, copies, rotations and the KV cache's entries: kernels that pass over rows once.
#include "device.clh"
#include "entries.clh"
#include "rows.clh"

// ---- norms ----------------------------------------------------------------------------------------------------------

// out = norm(x) * weight; out may be x. A group for each row; shared: a float for each work-item.
__kernel void rms_norm(IN(x), IN(weight), float eps, OUT(out), int cols, __local float *shared) {
  const ulong row = get_group_id(0) * (ulong)cols;
  const __global float *from = READ(float, x) + row;
  const __global float *w = READ(float, weight);
  __global float *to = WRITE(float, out) + row;
  float squares = 0;
  for (int c = get_local_id(0); c < cols; c += get_local_size(0)) squares += from[c] * from[c];
  const float scale = 1.0f / sqrt(group_sum(squares, shared) / cols + eps);
  for (int c = get_local_id(0); c < cols; c += get_local_size(0)) to[c] = from[c] * scale * w[c];
}

// x += y, out = norm(x) * weight; groups and shared memory as rms_norm.
__kernel void add_rms_norm(OUT(x), IN(y), IN(weight), float eps, OUT(out), int cols, __local float *shared) {
  const ulong row = get_group_id(0) * (ulong)cols;
  __global float *sum = WRITE(float, x) + row;
  const __global float *more = READ(float, y) + row;
  const __global float *w = READ(float, weight);
  __global float *to = WRITE(float, out) + row;
  float squares = 0;
  for (int c = get_local_id(0); c < cols; c += get_local_size(0)) {
    const float v = sum[c] + more[c];
    sum[c] = v;
    squares += v * v;
  }
  const float scale = 1.0f / sqrt(group_sum(squares, shared) / cols + eps);
  for (int c = get_local_id(0); c < cols; c += get_local_size(0)) to[c] = sum[c] * scale * w[c];
}

// ---- element by element: a work-item each, as many more as fill the last group ----------------------------------------

// out = a + b; out may be a or b.
__kernel void add(IN(a), IN(b), OUT(out), long n) {
  const long i = get_global_id(0);
  if (i < n) WRITE(float, out)[i] = READ(float, a)[i] + READ(float, b)[i];
}

// x[t] += row, C wide; t is the second dimension.
__kernel void add_row(OUT(x), IN(row), int C) {
  const int i = get_global_id(0);
  if (i < C) WRITE(float, x)[get_global_id(1) * (ulong)C + i] += READ(float, row)[i];
}

// out = gate / (1 + e^-gate) * up; out may be gate.
__kernel void silu_mul(IN(gate), IN(up), OUT(out), long n) {
  const long i = get_global_id(0);
  if (i >= n) return;
  const float g = READ(float, gate)[i];
  WRITE(float, out)[i] = g / (1.0f + exp(-g)) * READ(float, up)[i];
}

// out = silu(min(gate, limit)) * clamp(up, -limit, limit); out may be gate.
__kernel void clamped_silu_mul(IN(gate), IN(up), float limit, OUT(out), long n) {
  const long i = get_global_id(0);
  if (i >= n) return;
  const float z = READ(float, gate)[i], v = READ(float, up)[i];  // of which NaN stays
  const float g = z > limit ? limit : z, u = v > limit ? limit : v < -limit ? -limit : v;
  WRITE(float, out)[i] = g / (1.0f + exp(-g)) * u;
}

// out[t] = [a[t]; b[t]], A and B wide; t is the second dimension.
__kernel void concat(IN(a), IN(b), OUT(out), int A, int B) {
  const int i = get_global_id(0);
  const ulong t = get_global_id(1);
  if (i >= A + B) return;
  WRITE(float, out)[t * (A + B) + i] = i < A ? READ(float, a)[t * A + i] : READ(float, b)[t * B + i - A];
}

// out[t, h, outOffset + i] = x[t, h, xOffset + i] for i < count; strides in floats.
__kernel void copy_per_head(IN(x), int xStride, int xHeadStride, int xOffset, int count, int heads, OUT(out),
                            int outStride, int outHeadStride, int outOffset) {
  const int u = get_global_id(0);
  const ulong t = get_global_id(1);
  if (u >= heads * count) return;
  const int h = u / count, i = u - h * count;
  WRITE(float, out)[t * outStride + h * outHeadStride + outOffset + i] =
      READ(float, x)[t * xStride + h * xHeadStride + xOffset + i];
}

// out[t] = base[t] + sum over k of weights[t, k] * y[place[t * K + k]], in order of k. H wide.
__kernel void combine(IN(y), IN(place), IN(weights), IN(base), OUT(out), int K, int H) {
  const int i = get_global_id(0);
  const ulong t = get_global_id(1);
  if (i >= H) return;
  float sum = HAS(base) ? READ(float, base)[t * H + i] : 0.0f;
  for (int k = 0; k < K; k++) {
    const int p = READ(int, place)[t * K + k];
    if (p >= 0) sum += READ(float, weights)[t * K + k] * READ(float, y)[(ulong)p * H + i];
  }
  WRITE(float, out)[t * H + i] = sum;
}

// ---- rotations ------------------------------------------------------------------------------------------------------

// out[t, h, outOffset...] = x[t, h, xOffset...] turned by table[position[t]], a work-item for each pair. table
// [positions, R]: cos and sin of pair i at columns 2i and 2i+1.
__kernel void rope(IN(x), int xStride, int xHeadStride, int xOffset, int heads, IN(table), int R, IN(position), OUT(out),
                   int outStride, int outHeadStride, int outOffset) {
  const int u = get_global_id(0);
  const ulong t = get_global_id(1);
  if (u >= heads * (R / 2)) return;
  const int h = u / (R / 2), i = 2 * (u - h * (R / 2));
  const float2 angle = vload2(0, READ(float, table) + READ(int, position)[t] * (ulong)R + i);
  const float2 v = vload2(0, READ(float, x) + t * xStride + h * xHeadStride + xOffset + i);
  vstore2(turned(v, angle), 0, WRITE(float, out) + t * outStride + h * outHeadStride + outOffset + i);
}

// ---- the cache ------------------------------------------------------------------------------------------------------

// append_<f32|f16|bf16|e4m3|q8_0>: stores [norm(latent) * norm; turned key] of each row whose sequence is not -1. kv
// [T, Lkv + R]. A group for each row; entry: Lkv + R floats; shared: a float for each work-item.
#define APPEND(type, entryBytes)                                                                                     \
  __kernel void append_##type(IN(kv), IN(norm), float eps, IN(table), int Lkv, int R, OUT(entries), int pageTokens,  \
                              IN(position), IN(sequence), IN(pages), int pagesPerSequence, __local float *entry,     \
                              __local float *shared) {                                                               \
    const ulong t = get_group_id(0);                                                                                 \
    const int s = READ(int, sequence)[t];                                                                            \
    const int p = READ(int, position)[t];                                                                            \
    latent_entry(READ(float, kv) + t * (Lkv + R), READ(float, norm), eps, READ(float, table) + p * (ulong)R, Lkv, R, \
                 entry, shared);                                                                                     \
    if (s < 0) return;                                                                                               \
    const int page = READ(int, pages)[s * (ulong)pagesPerSequence + p / pageTokens];                                 \
    const ulong at = (page * (ulong)pageTokens + p % pageTokens) * (entryBytes);                                     \
    put_##type(WRITE(uchar, entries) + at, entry, Lkv + R, get_local_id(0), get_local_size(0));                      \
  }

static inline void latent_entry(const __global float *kv, const __global float *norm, float eps, const __global float *angle,
                         int Lkv, int R, __local float *entry, __local float *shared) {
  float squares = 0;
  for (int l = get_local_id(0); l < Lkv; l += get_local_size(0)) squares += kv[l] * kv[l];
  const float scale = 1.0f / sqrt(group_sum(squares, shared) / Lkv + eps);
  for (int l = get_local_id(0); l < Lkv; l += get_local_size(0)) entry[l] = kv[l] * scale * norm[l];
  for (int i = get_local_id(0); i < R / 2; i += get_local_size(0)) {
    vstore2(turned(vload2(i, kv + Lkv), vload2(i, angle)), i, entry + Lkv);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

APPEND(f32, 4 * (Lkv + R))
APPEND(f16, 2 * (Lkv + R))
APPEND(bf16, 2 * (Lkv + R))
APPEND(e4m3, Lkv + R)
APPEND(q8_0, (Lkv + R) / 32 * 34)

// append_index_<f32|f16|bf16|e4m3|q8_0>: stores the indexer's key of each row whose sequence is not -1: its mean taken out,
// normalised, the first R numbers turned, and, if `spread`, multiplied by Sylvester's Hadamard matrix / sqrt(I). keys [T, I]. A
// group for each row; entry: I floats; shared: a float for each work-item.
#define APPEND_INDEX(type, entryBytes)                                                                                 \
  __kernel void append_index_##type(IN(keys), IN(norm), IN(bias), float eps, IN(table), int R, int I, int spread,      \
                                    OUT(entries), int pageTokens, IN(position), IN(sequence), IN(pages),               \
                                    int pagesPerSequence, __local float *entry, __local float *shared) {               \
    const ulong t = get_group_id(0);                                                                                   \
    const int s = READ(int, sequence)[t];                                                                              \
    const int p = READ(int, position)[t];                                                                              \
    index_entry(READ(float, keys) + t * I, READ(float, norm), READ(float, bias), eps,                                  \
                READ(float, table) + p * (ulong)R, R, I, spread, entry, shared);                                       \
    if (s < 0) return;                                                                                                 \
    const int page = READ(int, pages)[s * (ulong)pagesPerSequence + p / pageTokens];                                   \
    const ulong at = (page * (ulong)pageTokens + p % pageTokens) * (entryBytes);                                       \
    put_##type(WRITE(uchar, entries) + at, entry, I, get_local_id(0), get_local_size(0));                              \
  }

static inline void index_entry(const __global float *key, const __global float *norm, const __global float *bias, float eps,
                        const __global float *angle, int R, int I, int spread, __local float *entry, __local float *shared) {
  float sum = 0;
  for (int i = get_local_id(0); i < I; i += get_local_size(0)) sum += key[i];
  const float mean = group_sum(sum, shared) / I;
  float squares = 0;
  for (int i = get_local_id(0); i < I; i += get_local_size(0)) squares += (key[i] - mean) * (key[i] - mean);
  const float scale = 1.0f / sqrt(group_sum(squares, shared) / I + eps);
  for (int i = get_local_id(0); i < I; i += get_local_size(0)) entry[i] = (key[i] - mean) * scale * norm[i] + bias[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = get_local_id(0); i < R / 2; i += get_local_size(0)) {
    vstore2(turned(vload2(i, entry), vload2(i, angle)), i, entry);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int gap = 1; spread && gap < I; gap *= 2) {
    for (int p = get_local_id(0); p < I / 2; p += get_local_size(0)) {
      const int i = p / gap * 2 * gap + p % gap;
      const float a = entry[i], b = entry[i + gap];
      entry[i] = a + b;
      entry[i + gap] = a - b;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int i = get_local_id(0); spread && i < I; i += get_local_size(0)) entry[i] /= sqrt((float)I);
  barrier(CLK_LOCAL_MEM_FENCE);
}

APPEND_INDEX(f32, 4 * I)
APPEND_INDEX(f16, 2 * I)
APPEND_INDEX(bf16, 2 * I)
APPEND_INDEX(e4m3, I)
APPEND_INDEX(q8_0, I / 32 * 34)

// append_grouped_<f32|f16|bf16|e4m3|q8_0>: stores [turned key; value] of heads [each·h, each·h + each) of each row whose
// sequence is not -1. k, v [T, G·D]. Groups (T, G / each), each a number of heads whose bytes are whole blocks; entry:
// each·2·D floats.
#define APPEND_GROUPED(type, bytes)                                                                                  \
  __kernel void append_grouped_##type(IN(k), IN(v), IN(table), int G, int D, int each, OUT(entries), int pageTokens, \
                                      IN(position), IN(sequence), IN(pages), int pagesPerSequence,                   \
                                      __local float *entry) {                                                        \
    const ulong t = get_group_id(0);                                                                                 \
    const int head = get_group_id(1) * each;                                                                         \
    const int s = READ(int, sequence)[t];                                                                            \
    if (s < 0) return;                                                                                               \
    const int p = READ(int, position)[t];                                                                            \
    const ulong from = (t * G + head) * D;                                                                           \
    heads_entry(READ(float, k) + from, READ(float, v) + from, READ(float, table) + p * (ulong)D, each, D, entry);    \
    const int page = READ(int, pages)[s * (ulong)pagesPerSequence + p / pageTokens];                                 \
    const ulong at = ((page * (ulong)pageTokens + p % pageTokens) * G + head) * 2 * D;                               \
    put_##type(WRITE(uchar, entries) + bytes(at), entry, each * 2 * D, get_local_id(0), get_local_size(0));          \
  }

static inline void heads_entry(const __global float *k, const __global float *v, const __global float *angle, int heads, int D,
                        __local float *entry) {
  for (int i = get_local_id(0); i < heads * D / 2; i += get_local_size(0)) {
    const int h = i / (D / 2), pair = i - h * (D / 2);
    vstore2(turned(vload2(i, k), vload2(pair, angle)), pair, entry + 2 * h * D);
    vstore2(vload2(i, v), pair, entry + 2 * h * D + D);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

APPEND_GROUPED(f32, BYTES_F32)
APPEND_GROUPED(f16, BYTES_HALF)
APPEND_GROUPED(bf16, BYTES_HALF)
APPEND_GROUPED(e4m3, BYTES_E4M3)
APPEND_GROUPED(q8_0, BYTES_Q8_0)
