// DeepSeek-V3.2's indexer (its report, 2.1): which cache entries a row looks at. Keys are a matrix of I numbers an entry, in the
// encoding WEIGHTS, found through a page table. Rows of a step come in slices, so that their scores have room: a kernel's row is
// `first` + its group's.
#include "cache.clh"
#include "device.clh"
#include "rows.clh"

// Keys of a work-group, and work-items that share a key's heads out.
#define KEYS 32
#define SHARES 4

// Spreads each head of q: H·x / sqrt(I) with Sylvester's H; I is a power of two. A group for each head; local: I floats.
__kernel void index_spread(IN(q), OUT(out), int I, __local float *x) {
  const ulong at = get_group_id(0) * (ulong)I;
  for (int i = get_local_id(0); i < I; i += get_local_size(0)) x[i] = READ(float, q)[at + i] / sqrt((float)I);
  for (int gap = 1; gap < I; gap *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int p = get_local_id(0); p < I / 2; p += get_local_size(0)) {
      const int i = p / gap * 2 * gap + p % gap;
      const float a = x[i], b = x[i + gap];
      x[i] = a + b;
      x[i + gap] = a - b;
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = get_local_id(0); i < I; i += get_local_size(0)) WRITE(float, out)[at + i] = x[i];
}

// scores[row, s] = scale · sum over h of weights[t, h] · relu(q[t, h] · k[s]), for rows that see more than `most` entries. Groups
// (ceil(capacity / KEYS), rows) of KEYS · SHARES work-items; tile: KEYS · (ceil32(I) + 1) floats.
__kernel void index_scores(IN(q), IN(weights), IN(keys), ulong rowBytes, int pageTokens, IN(pages), int pagesPerSequence,
                           IN(sequence), IN(kvLength), int first, int most, int H, int I, float scale, OUT(scores), int capacity,
                           __local float *tile) {
  __local float sums[SHARES][KEYS];
  const int row = get_group_id(1), t = first + row, s0 = get_group_id(0) * KEYS;
  const int s = READ(int, sequence)[t], sees = s < 0 ? 0 : READ(int, kvLength)[t];
  if (sees <= most || s0 >= sees) return;
  const int there = min(KEYS, sees - s0), units = (I + 31) / 32, stride = 32 * units + 1;
  const __global int *table = READ(int, pages) + (ulong)s * pagesPerSequence;
  const Matrix m = matrix_at(READ(uchar, keys), 0, rowBytes, I);
  for (int j = get_local_id(0); j < there * units; j += get_local_size(0)) {
    const int e = j / units, u = j % units;
    const Unit k = entry_unit(row_of(m, entry_row(table, pageTokens, s0 + e)), u, I);
    float v[32];
    vstore16(k.a, 0, v);
    vstore16(k.b, 1, v);
    for (int i = 0; i < 32; i++) tile[e * stride + 32 * u + i] = v[i];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  const int e = get_local_id(0) % KEYS, share = get_local_id(0) / KEYS;
  float sum = 0;
  if (e < there) {
    const __local float *key = tile + e * stride;
    for (int h = share; h < H; h += SHARES) {
      const __global float *query = READ(float, q) + ((ulong)t * H + h) * I;
      float dot = 0;
      for (int i = 0; i < I; i++) dot += query[i] * key[i];
      sum += READ(float, weights)[(ulong)t * H + h] * (dot > 0 || isnan(dot) ? dot : 0);
    }
  }
  sums[share][e] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (share == 0 && e < there) {
    for (int j = 1; j < SHARES; j++) sum += sums[j][e];
    WRITE(float, scores)[(ulong)row * capacity + s0 + e] = sum * scale;
  }
}

// Unsigned numbers in the order of floats; NaN is the least, and the zeros are one.
INLINE uint ordered(float v) { return (uint)(order_key(v, 0) >> 32); }

// The entries of the `most` largest scores, of equal ones the earlier, in order; all entries of a row that sees no more. A group
// for each row: it finds the least score that counts, eight bits at a time; then each work-item has a stretch of the entries.
// counted: 256 ints; before: two for each work-item.
__kernel void index_choose(IN(scores), int capacity, IN(pages), int pagesPerSequence, int pageTokens, IN(sequence), IN(kvLength),
                           int first, int most, OUT(rows), OUT(sequences), OUT(counts), __local int *counted,
                           __local int *before) {
  __local uint least;
  __local int left;
  const int row = get_group_id(0), t = first + row, me = get_local_id(0), all = get_local_size(0);
  const int s = READ(int, sequence)[t], sees = s < 0 ? 0 : READ(int, kvLength)[t], chosen = min(sees, most);
  const __global float *score = READ(float, scores) + (ulong)row * capacity;
  const __global int *table = READ(int, pages) + (ulong)max(s, 0) * pagesPerSequence;
  __global int *to = WRITE(int, rows) + (ulong)t * most;
  if (me == 0) {
    WRITE(int, sequences)[t] = s < 0 ? -1 : t;
    WRITE(int, counts)[t] = chosen;
    least = 0;
    left = chosen;
  }
  for (int i = chosen + me; i < most; i += all) to[i] = -1;
  if (sees <= most) {
    for (int i = me; i < sees; i += all) to[i] = entry_row(table, pageTokens, i);
    return;
  }
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = me; i < 256; i += all) counted[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint above = least;
    for (int i = me; i < sees; i += all) {
      const uint key = ordered(score[i]);
      if (shift == 24 || key >> (shift + 8) == above) atomic_inc(counted + (key >> shift & 255));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me == 0) {
      int digit = 255;
      while (counted[digit] < left) left -= counted[digit--];
      least = above << 8 | digit;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const int stretch = (sees + all - 1) / all, from = min(sees, me * stretch), end = min(sees, from + stretch);
  const uint enough = least;
  int greater = 0, equal = 0;
  for (int i = from; i < end; i++) {
    const uint key = ordered(score[i]);
    greater += key > enough;
    equal += key == enough;
  }
  before[2 * me] = greater;
  before[2 * me + 1] = equal;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (me == 0) {
    int g = 0, e = 0;
    for (int i = 0; i < all; i++) {
      const int mineG = before[2 * i], mineE = before[2 * i + 1];
      before[2 * i] = g;
      before[2 * i + 1] = e;
      g += mineG;
      e += mineE;
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  int rank = before[2 * me + 1], at = before[2 * me] + min(rank, left);
  for (int i = from; i < end; i++) {
    const uint key = ordered(score[i]);
    if (key > enough || key == enough && rank++ < left) to[at++] = entry_row(table, pageTokens, i);
  }
}
