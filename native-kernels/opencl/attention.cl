// Absorbed latent attention: out[t, n] = softmax(q[t, n]·[c; k]ᵀ·scale)·c over the first kvLength[t] entries of row t's sequence
// (DeepSeek-V2 report §2.1). q [T, N·(Lkv+R)], out [T, N·Lkv], pages [S, pagesPerSequence]; a row of kvLength 0 or sequence −1
// gives zeros. The entries are cut into tiles and the tiles into splits, which mla_combine puts together; a work-group has a
// row, HEADS heads and a split, so that it reads an entry once for all of those heads. Built for the cache's encoding, WEIGHTS.
#include "cache.clh"
#include "device.clh"
#include "tiles.clh"

#define HEADS 16

// `stat` [T, N, 2], if given: the greatest score and Σ e^(score − greatest) of what each row and head has seen. Where `unless` is
// given and 0 nothing is done. `sinks` [N], if given: a score that stands beside those of each head's entries and has no value; the
// first split begins with it.

// What a split leaves in `partial` if there are several: [T, splits, N] of 2 + Lkv numbers: the greatest score, Σ e^(score −
// greatest), and the weighted sum of the latents.
INLINE ulong part_at(int t, int split, int splits, int n, int N, int Lkv) {
  return (((ulong)t * splits + split) * N + n) * (2 + Lkv);
}

#define ARGUMENTS                                                                                                     \
  IN(q), IN(entries), ulong rowBytes, int pageTokens, IN(pages), int pagesPerSequence, IN(sequence), IN(kvLength), int N, int Lkv, \
      int R, float scale, OUT(out), OUT(partial), int splits, int leastTiles, OUT(stat), IN(unless), IN(sinks)

INLINE void put_stat(__global float* stat, int row, int N, int n, float greatest, float total) {
  stat[2 * (row * N + n)] = greatest;
  stat[2 * (row * N + n) + 1] = total;
}

#ifdef WIDE

// For CPUs: a work-item does it all, on whole vectors, with a tile decoded to floats once; heads are padded to multiples of 4.
// Groups (⌈N / 16⌉, splits, T), of one work-item. Local memory, with E and L ceil32 of Lkv + R and Lkv, and H the heads of a
// group, a multiple of 4: queries H·E, tile TILE·E, sums H·L floats.
__kernel void mla_decode(ARGUMENTS, __local float* queries, __local float* tile, __local float* sums) {
  if (SKIPPED(unless)) return;
  __local float scores[HEADS * TILE], shrink[HEADS], greatest[HEADS], total[HEADS];
  const int t = get_group_id(2), split = get_group_id(1), head0 = get_group_id(0) * HEADS;
  const int heads = min(HEADS, N - head0), padded = (heads + 3) / 4 * 4;
  const int numbers = Lkv + R, E = (numbers + 31) / 32 * 32, L = (Lkv + 31) / 32 * 32;
  const int s = READ(int, sequence)[t];
  const int length = s < 0 ? 0 : READ(int, kvLength)[t];
  __global float* to = WRITE(float, out) + ((ulong)t * N + head0) * Lkv;
  if (length <= 0) {
    for (int i = 0; split == 0 && i < heads * Lkv; i++) to[i] = 0;
    for (int h = 0; HAS(stat) && split == 0 && h < heads; h++) put_stat(WRITE(float, stat), t, N, head0 + h, -INFINITY, 0);
    return;
  }
  const Cut work = cut(length, TILE, splits, leastTiles);
  if (split >= work.active) return;
  const int begin = split * work.tiles * TILE, end = min(length, begin + work.tiles * TILE);

  const __global float* from = READ(float, q) + ((ulong)t * N + head0) * numbers;
  for (int h = 0; h < padded; h++) {
    for (int c = 0; c < E; c++) queries[h * E + c] = h < heads && c < numbers ? from[h * numbers + c] * scale : 0;
    for (int c = 0; c < L; c++) sums[h * L + c] = 0;
    const bool sink = HAS(sinks) && split == 0 && h < heads;
    greatest[h] = sink ? READ(float, sinks)[head0 + h] : -INFINITY;
    total[h] = sink ? 1 : 0;
  }
  const Matrix m = matrix_at(READ(uchar, entries), 0, rowBytes, numbers);
  const __global int* table = READ(int, pages) + (ulong)s * pagesPerSequence;

  for (int first = begin; first < end; first += TILE) {
    const int count = min(TILE, end - first);
    for (int e = 0; e < (count + 3) / 4 * 4; e++) {
      const Row row = row_of(m, entry_row(table, pageTokens, first + min(e, count - 1)));
      for (int u = 0; u < E / 32; u++) {
        const Unit unit = entry_unit(row, u, numbers);
        vstore16(unit.a, 2 * u, tile + e * E);
        vstore16(unit.b, 2 * u + 1, tile + e * E);
      }
    }
    for (int h = 0; h < padded; h += 4) {
      for (int e = 0; e < TILE; e += 4) {
        if (e < count) {
          scores_of_four(queries + h * E, tile + e * E, E, count - e, scores + h * TILE + e);
        } else {
          for (int i = 0; i < 4; i++) vstore4((float4)-INFINITY, 0, scores + (h + i) * TILE + e);
        }
      }
    }
    for (int h = 0; h < padded; h++) {
      shrink[h] = soften(scores + h * TILE, greatest + h, total + h);
    }
    for (int h = 0; h < padded; h += 4) {
      for (int c = 0; c < L; c += 32) values_of_four(scores + h * TILE, shrink + h, tile + c, E, count, sums + h * L + c, L);
    }
  }

  for (int h = 0; h < heads; h++) {
    if (splits == 1) {
      const float factor = 1 / total[h];
      for (int c = 0; c < Lkv; c++) to[h * Lkv + c] = sums[h * L + c] * factor;
      if (HAS(stat)) put_stat(WRITE(float, stat), t, N, head0 + h, greatest[h], total[h]);
    } else {
      __global float* part = WRITE(float, partial) + part_at(t, split, splits, head0 + h, N, Lkv);
      part[0] = greatest[h];
      part[1] = total[h];
      for (int c = 0; c < Lkv; c++) part[2 + c] = sums[h * L + c];
    }
  }
}

#else

// For GPUs: scores as a product of tiles through local memory, 32 columns at a time; then every work-item sums its own columns.
#define TILE 64
#define ITEMS 128
#define COLUMNS 512             // of a work-group
#define OWN (COLUMNS / ITEMS)
#define STRIDE (TILE + 1)

// Groups (⌈N / 16⌉·⌈Lkv / 512⌉, splits, T), local size 128.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void mla_decode(ARGUMENTS) {
  if (SKIPPED(unless)) return;
  __local float es[32 * STRIDE], qs[32 * HEADS], scores[HEADS * TILE], parts[ITEMS], shrink[HEADS], greatest[HEADS], total[HEADS];
  __local int rows[TILE];
  const int item = get_local_id(0);
  const int blocks = (N + HEADS - 1) / HEADS;
  const int t = get_group_id(2), split = get_group_id(1), head0 = get_group_id(0) % blocks * HEADS;
  const int column0 = get_group_id(0) / blocks * COLUMNS + item;
  const int heads = min(HEADS, N - head0), numbers = Lkv + R;
  const int s = READ(int, sequence)[t];
  const int length = s < 0 ? 0 : READ(int, kvLength)[t];
  __global float* to = WRITE(float, out) + ((ulong)t * N + head0) * Lkv;
  if (length <= 0) {
    for (int c = column0; split == 0 && c < min(Lkv, column0 + COLUMNS); c += ITEMS) {
      for (int h = 0; h < heads; h++) to[h * Lkv + c] = 0;
    }
    if (HAS(stat) && split == 0 && column0 < heads) put_stat(WRITE(float, stat), t, N, head0 + column0, -INFINITY, 0);
    return;
  }
  const Cut work = cut(length, TILE, splits, leastTiles);
  if (split >= work.active) return;
  const int begin = split * work.tiles * TILE, end = min(length, begin + work.tiles * TILE);
  const __global float* from = READ(float, q) + ((ulong)t * N + head0) * numbers;
  const Matrix m = matrix_at(READ(uchar, entries), 0, rowBytes, numbers);
  const __global int* table = READ(int, pages) + (ulong)s * pagesPerSequence;

  float sum[HEADS][OWN];
#pragma unroll
  for (int i = 0; i < HEADS * OWN; i++) sum[i / OWN][i % OWN] = 0;
  if (item < HEADS) {
    const bool sink = HAS(sinks) && split == 0 && item < heads;
    greatest[item] = sink ? READ(float, sinks)[head0 + item] : -INFINITY;
    total[item] = sink ? 1 : 0;
  }
  for (int first = begin; first < end; first += TILE) {
    const int count = min(TILE, end - first);
    if (item < TILE) rows[item] = entry_row(table, pageTokens, first + min(item, count - 1));

    // scores: a work-item has entries e and e + 32, of four heads
    const int e = item % 32, h0 = item / 32 * 4;
    float4 score0 = 0, score1 = 0;
    for (int u = 0; u < (numbers + 31) / 32; u++) {
      barrier(CLK_LOCAL_MEM_FENCE);
      if (item < TILE) {
        const Unit unit = entry_unit(row_of(m, rows[item]), u, numbers);
        put_unit(unit, es + item, STRIDE);
      } else {
        const int i = item % 32, c = 32 * u + i;
        for (int h = (item - TILE) / 32; h < HEADS; h += 2) {
          qs[i * HEADS + h] = h < heads && c < numbers ? from[h * numbers + c] * scale : 0;
        }
      }
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int i = 0; i < 32; i++) {
        const float4 a = vload4(0, qs + i * HEADS + h0);
        score0 += a * es[i * STRIDE + e];
        score1 += a * es[i * STRIDE + e + 32];
      }
    }
    const float v0[4] = {score0.x, score0.y, score0.z, score0.w}, v1[4] = {score1.x, score1.y, score1.z, score1.w};
#pragma unroll
    for (int h = 0; h < 4; h++) {
      scores[(h0 + h) * TILE + e] = e < count ? v0[h] : -INFINITY;
      scores[(h0 + h) * TILE + e + 32] = e + 32 < count ? v1[h] : -INFINITY;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    // softmax: eight work-items a head, eight entries each
    const int h = item / 8;
    __local float* own = scores + item * 8;
    float top = own[0];
    for (int i = 1; i < 8; i++) top = fmax(top, own[i]);
    parts[item] = top;
    barrier(CLK_LOCAL_MEM_FENCE);
    const float before = greatest[h];
    top = before;
    for (int i = 0; i < 8; i++) top = fmax(top, parts[h * 8 + i]);
    barrier(CLK_LOCAL_MEM_FENCE);
    float part = 0;
    for (int i = 0; i < 8; i++) {
      const float p = exp(own[i] - top);
      own[i] = p;
      part += p;
    }
    parts[item] = part;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item % 8 == 0) {
      shrink[h] = exp(before - top);
      greatest[h] = top;
      float all = 0;
      for (int i = 0; i < 8; i++) all += parts[item + i];
      total[h] = total[h] * shrink[h] + all;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    // values: neighbours have neighbouring columns
#pragma unroll
    for (int i = 0; i < HEADS * OWN; i++) sum[i / OWN][i % OWN] *= shrink[i / OWN];
    for (int i = 0; i < count; i++) {
      const Row row = row_of(m, rows[i]);
#pragma unroll
      for (int j = 0; j < OWN; j++) {
        const int c = column0 + j * ITEMS;
        const float v = c < Lkv ? number_at(row, c) : 0;
#pragma unroll
        for (int k = 0; k < HEADS; k++) sum[k][j] += scores[k * TILE + i] * v;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int k = 0; k < HEADS; k++) {
    if (k >= heads) continue;
    __global float* part = WRITE(float, partial) + part_at(t, split, splits, head0 + k, N, Lkv);
    if (splits > 1 && column0 == 0) {
      part[0] = greatest[k];
      part[1] = total[k];
    }
    if (HAS(stat) && splits == 1 && column0 == 0) put_stat(WRITE(float, stat), t, N, head0 + k, greatest[k], total[k]);
#pragma unroll
    for (int j = 0; j < OWN; j++) {
      const int c = column0 + j * ITEMS;
      if (c >= Lkv) continue;
      if (splits == 1) {
        to[k * Lkv + c] = sum[k][j] / total[k];
      } else {
        part[2 + c] = sum[k][j];
      }
    }
  }
}

#endif

// Groups (⌈Lkv / items⌉, N, T).
__kernel void mla_combine(IN(partial), IN(sequence), IN(kvLength), int N, int Lkv, int splits, int leastTiles, OUT(out),
                          OUT(stat), IN(unless)) {
  if (SKIPPED(unless)) return;
  const int c = get_global_id(0), n = get_group_id(1), t = get_group_id(2);
  const int length = READ(int, sequence)[t] < 0 ? 0 : READ(int, kvLength)[t];
  if (length <= 0 || c >= Lkv) return;
  const int active = cut(length, TILE, splits, leastTiles).active;
  const __global float* part = READ(float, partial) + part_at(t, 0, splits, n, N, Lkv);
  const ulong each = (ulong)N * (2 + Lkv);
  float top = -INFINITY, total = 0, sum = 0;
  for (int i = 0; i < active; i++) top = fmax(top, part[i * each]);
  for (int i = 0; i < active; i++) {
    const float factor = exp(part[i * each] - top);
    total += factor * part[i * each + 1];
    sum += factor * part[i * each + 2 + c];
  }
  WRITE(float, out)[((ulong)t * N + n) * Lkv + c] = sum / total;
  if (HAS(stat) && c == 0) put_stat(WRITE(float, stat), t, N, n, top, total);
}
