// DeepSeek-V4's attention besides that of attention.cl: rings of the last rows of each sequence, blocks that tokens are pooled into,
// rounding, and what a row looks at. See CompressedOps and Ring.
#include "device.clh"
#include "entries.clh"
#include "rows.clh"

// out[i] = length[i] / tokens
__kernel void whole_blocks(IN(length), int tokens, OUT(out), int n) {
  const int i = get_global_id(0);
  if (i < n) WRITE(int, out)[i] = READ(int, length)[i] / tokens;
}

// ---- rings ------------------------------------------------------------------------------------------------------------

// The row of position p of sequence s.
INLINE ulong ring_row(ulong first, int length, int s, int p) { return first + (ulong)s * length + p % length; }

// Whether the row `back` positions before row t's is of the step.
INLINE bool in_step(const __global int *sequence, int t, int back) { return back <= t && sequence[t - back] == sequence[t]; }

INLINE void copy_row(const __global float *from, __local float *row, int W) {
  for (int c = get_local_id(0); c < W; c += get_local_size(0)) row[c] = from[c];
  barrier(CLK_LOCAL_MEM_FENCE);
}

// stage_<type>: row t of x [T, W] to row `staged` + t. keep_<type>: to the ring of its sequence, unless it is padding or a later row
// of the step comes to lie there. A group for each row; row: W floats.
#define RINGS(type, BYTES)                                                                                                   \
  __kernel void stage_##type(IN(x), int W, OUT(rows), ulong staged, __local float *row) {                                    \
    const ulong t = get_group_id(0);                                                                                         \
    copy_row(READ(float, x) + t * W, row, W);                                                                                \
    put_##type(WRITE(uchar, rows) + BYTES((staged + t) * W), row, W, get_local_id(0), get_local_size(0));                    \
  }                                                                                                                          \
  __kernel void keep_##type(IN(x), int W, OUT(rows), ulong first, int length, IN(position), IN(sequence), int T,             \
                            __local float *row) {                                                                            \
    const int t = get_group_id(0);                                                                                           \
    const int s = READ(int, sequence)[t];                                                                                    \
    if (s < 0 || (t + length < T && READ(int, sequence)[t + length] == s)) return;                                           \
    copy_row(READ(float, x) + (ulong)t * W, row, W);                                                                         \
    put_##type(WRITE(uchar, rows) + BYTES(ring_row(first, length, s, READ(int, position)[t]) * W), row, W, get_local_id(0), \
               get_local_size(0));                                                                                           \
  }
RINGS(f32, BYTES_F32)
RINGS(f16, BYTES_HALF)
RINGS(bf16, BYTES_HALF)
RINGS(e4m3, BYTES_E4M3)
RINGS(q8_0, BYTES_Q8_0)

// ---- rounding ---------------------------------------------------------------------------------------------------------

#define E4M3 1
#define E2M1 2

// Nearest, ties to even; |v| is no more than 448.
INLINE float e4m3_number(float v) {
  const float size = fabs(v);
  const uint bits = as_uint(size);
  const float rounded = size < 0x1p-6f ? (size + 16384.0f) - 16384.0f  // steps of 2^-9, as a float of 2^14 has
                                       : as_float((bits + 0x7ffff + (bits >> 20 & 1)) & 0xfff00000);
  return copysign(rounded, v);
}

// Of no more than 6: halves up to 2, whole numbers to 4, then 6.
INLINE float e2m1_number(float v) {
  const float size = fabs(v), unit = size < 2 ? 0.5f : size < 4 ? 1.0f : 2.0f;
  return copysign(rint(size / unit) * unit, v);
}

// A head's numbers as they are kept, blocks with the least power of two that leaves none above the greatest code. A work-item for
// each block.
static inline void round_head(__local float *x, int D, int R, int rounding) {
  const int first = get_local_id(0), step = get_local_size(0);
  if (rounding == E4M3) {
    for (int b = first; b < (D - R) / 64; b += step) {
      __local float *of = x + 64 * b;
      float most = 1e-4f;
      for (int i = 0; i < 64; i++) most = fmax(most, fabs(of[i]));
      const uint scale = ((as_uint(most) + 0x1fffff) & 0x7f800000) - (8 << 23);  // 448 is 1.75 * 2^8
      const float by = as_float(scale), inverse = as_float((254u << 23) - scale);
      for (int i = 0; i < 64; i++) of[i] = e4m3_number(of[i] * inverse) * by;
    }
  } else if (rounding == E2M1) {
    for (int gap = 1; gap < D; gap *= 2) {
      for (int p = first; p < D / 2; p += step) {
        const int i = p / gap * 2 * gap + p % gap;
        const float a = x[i], b = x[i + gap];
        x[i] = a + b;
        x[i + gap] = a - b;
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float spread = 1 / sqrt((float)D);
    for (int b = first; b < D / 32; b += step) {
      __local float *of = x + 32 * b;
      float most = 6 * 0x1p-126f;
      for (int i = 0; i < 32; i++) most = fmax(most, fabs(of[i] * spread));
      const uint scale = ((as_uint(most) + 0x3fffff) & 0x7f800000) - (2 << 23);  // 6 is 1.5 * 2^2
      const float by = as_float(scale), inverse = as_float((254u << 23) - scale);
      for (int i = 0; i < 32; i++) of[i] = e2m1_number(of[i] * spread * inverse) * by;
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// A group for each head of each row, D wide, in place; head: D floats.
__kernel void round_heads(OUT(x), int D, int R, int rounding, __local float *head) {
  __global float *own = WRITE(float, x) + get_group_id(0) * (ulong)D;
  copy_row(own, head, D);
  round_head(head, D, R, rounding);
  for (int i = get_local_id(0); i < D; i += get_local_size(0)) own[i] = head[i];
}

// ---- blocks -----------------------------------------------------------------------------------------------------------

// append_block_<type>: the block that each row completes, if it does, as an entry of the cache. x and the ring's rows hold [u; g],
// each `wide`, which is D or, where blocks overlap, 2 * D; blocks are of r tokens. A group for each row; block: D floats; shared: a
// float for each work-item.
#define APPEND_BLOCK(type, BYTES)                                                                                                 \
  __kernel void append_block_##type(IN(x), IN(ape), IN(norm), float eps, IN(table), int rounding, IN(state), ulong first,         \
                                    int length, OUT(entries), int pageTokens, int r, int wide, int D, int R, IN(position),        \
                                    IN(sequence), IN(pages), int pagesPerSequence, __local float *block, __local float *shared) { \
    const int t = get_group_id(0);                                                                                                \
    const int s = READ(int, sequence)[t], p = READ(int, position)[t];                                                             \
    if (s < 0 || (p + 1) % r != 0) return;                                                                                        \
    pool_block(READ(float, x), READ(float, ape), READ(float, norm), eps, READ(float, table) + (p + 1 - r) * (ulong)R,             \
               READ(float, state), first, length, r, wide, D, R, t, s, p, READ(int, sequence), block, shared);                    \
    round_head(block, D, R, rounding);                                                                                            \
    const int i = p / r;                                                                                                          \
    const int page = READ(int, pages)[s * (ulong)pagesPerSequence + i / pageTokens];                                              \
    const ulong at = page * (ulong)pageTokens + i % pageTokens;                                                                   \
    put_##type(WRITE(uchar, entries) + BYTES(at * D), block, D, get_local_id(0), get_local_size(0));                              \
  }

static inline void pool_block(const __global float *x, const __global float *ape, const __global float *norm, float eps,
                              const __global float *angle, const __global float *state, ulong first, int length, int r, int wide,
                              int D, int R, int t, int s, int p, const __global int *sequence, __local float *block,
                              __local float *shared) {
  const int slots = min(p + 1, r * (wide / D));
  float squares = 0;
  for (int c = get_local_id(0); c < D; c += get_local_size(0)) {
    float most = -INFINITY, total = 0, sum = 0;
    for (int back = slots - 1; back >= 0; back--) {
      const __global float *row = in_step(sequence, t, back) ? x + (ulong)(t - back) * 2 * wide
                                                             : state + ring_row(first, length, s, p - back) * 2 * wide;
      const int channel = back < r ? wide - D + c : c;
      const float g = row[wide + channel] + ape[(p - back) % r * (ulong)wide + channel];
      const float top = fmax(most, g), less = exp(most - top), by = exp(g - top);
      total = total * less + by;
      sum = sum * less + by * row[channel];
      most = top;
    }
    sum /= total;
    block[c] = sum;
    squares += sum * sum;
  }
  const float scale = 1 / sqrt(group_sum(squares, shared) / D + eps);
  for (int c = get_local_id(0); c < D; c += get_local_size(0)) block[c] *= scale * norm[c];
  barrier(CLK_LOCAL_MEM_FENCE);
  __local float *last = block + D - R;
  for (int i = get_local_id(0); i < R / 2; i += get_local_size(0)) vstore2(turned(vload2(i, last), vload2(i, angle)), i, last);
  barrier(CLK_LOCAL_MEM_FENCE);
}

APPEND_BLOCK(f32, BYTES_F32)
APPEND_BLOCK(f16, BYTES_HALF)
APPEND_BLOCK(bf16, BYTES_HALF)
APPEND_BLOCK(e4m3, BYTES_E4M3)
APPEND_BLOCK(q8_0, BYTES_Q8_0)

// ---- what a row looks at ----------------------------------------------------------------------------------------------

// rows [T, most]: of each row the last `window` tokens, then chosen [T, mostChosen] as far as many[t], or the first seen[t] entries
// of its sequence; -1 behind them. A work-item for each column; t is the second dimension.
__kernel void look(ulong first, int length, ulong staged, int window, IN(seen), int pageTokens, IN(chosen), IN(many), int mostChosen,
                   IN(position), IN(sequence), IN(pages), int pagesPerSequence, OUT(rows), int most, OUT(sequences), OUT(counts)) {
  const int t = get_global_id(1), i = get_global_id(0);
  if (i >= most) return;
  const int s = READ(int, sequence)[t], p = READ(int, position)[t];
  const int recent = s < 0 ? 0 : min(window, p + 1);
  const int more = s < 0 ? 0 : HAS(chosen) ? READ(int, many)[t] : HAS(seen) ? READ(int, seen)[t] : 0;
  int row = -1;
  if (i < recent) {
    const int back = recent - 1 - i;
    row = in_step(READ(int, sequence), t, back) ? (int)staged + t - back : (int)ring_row(first, length, s, p - back);
  } else if (i < recent + more) {
    const int e = i - recent;
    row = HAS(chosen) ? READ(int, chosen)[t * (ulong)mostChosen + e]
                      : READ(int, pages)[s * (ulong)pagesPerSequence + e / pageTokens] * pageTokens + e % pageTokens;
  }
  WRITE(int, rows)[t * (ulong)most + i] = row;
  if (i == 0) {
    WRITE(int, sequences)[t] = s < 0 ? -1 : t;
    WRITE(int, counts)[t] = recent + more;
  }
}
