// The mixture of experts around its products: the gate and the weighted sum.
#include "norm.cuh"
#include "permute.cuh"
#include "rows.cuh"

namespace yuzui {

// ---- the gate -------------------------------------------------------------------------------------------------------

// GateRule in numbers: scoring 0 softmax, 1 sigmoid, 2 the root of softplus; groupScore 0 the best, 1 the sum of the two best.
struct Rule {
  int experts, used, groups, groupsUsed, scoring, groupScore, normalise;
  float scale;
};

// Floats of shared memory that a token's choice takes.
__device__ __forceinline__ int choice_floats(const Rule& rule) { return rule.experts + rule.groups; }

// Scores the groups and sets the selection of the experts of those not kept to −∞. By a warp.
__device__ __forceinline__ void keep_groups(const Rule& rule, float* selection, float* score) {
  const int groups = rule.groups, size = rule.experts / groups;
  int team = 1;  // lanes that share a group
  while (2 * team * groups <= 32) team *= 2;
  for (int from = 0; from < groups; from += 32 / team) {
    const int g = from + lane() / team;
    float best = -INFINITY, next = -INFINITY;
    if (g < groups) {
      for (int j = lane() % team; j < size; j += team) {
        const float v = selection[g * size + j];
        next = fmaxf(next, fminf(best, v));
        best = fmaxf(best, v);
      }
    }
    for (int m = 1; m < team; m *= 2) {
      const float otherBest = shuffle_xor(best, m), otherNext = shuffle_xor(next, m);
      next = fmaxf(fminf(best, otherBest), fmaxf(next, otherNext));
      best = fmaxf(best, otherBest);
    }
    if (g < groups && lane() % team == 0) score[g] = rule.groupScore == 1 && size > 1 ? best + next : best;
  }
  __syncwarp();
  for (int g = lane(); g < groups; g += 32) {
    const float mine = score[g];
    int better = 0;
    for (int h = 0; h < groups; h++) better += score[h] > mine || (score[h] == mine && h < g);
    if (better >= rule.groupsUsed) {
      for (int j = 0; j < size; j++) selection[g * size + j] = -INFINITY;
    }
  }
  __syncwarp();
}

// A token's experts, by a warp: ids and weights [K]. `selection` is choice_floats of shared memory. At most 1024
// experts and K of 32; lane l looks after the experts l, l + 32, ….
__device__ __forceinline__ void choose(const float* logits, const float* bias, const Rule& rule, bool padding,
                                       float* selection, int* ids, float* weights) {
  const int E = rule.experts;
  if (padding) {
    if (lane() < rule.used) {
      ids[lane()] = -1;
      weights[lane()] = 0;
    }
    return;
  }
  float high = -INFINITY, total = 0;
  for (int e = lane(); e < E; e += 32) {
    selection[e] = logits[e];
    high = fmaxf(high, selection[e]);
  }
  if (rule.scoring == 0) {
    high = warp_max(high);
    for (int e = lane(); e < E; e += 32) total += expf(selection[e] - high);
    total = warp_sum(total);
  }
  auto score = [&](float logit) {
    return rule.scoring == 0   ? expf(logit - high) / total
           : rule.scoring == 1 ? 1.0f / (1.0f + expf(-logit))
                               : sqrtf(fmaxf(logit, 0.0f) + log1pf(expf(-fabsf(logit))));
  };
  for (int e = lane(); e < E; e += 32) {
    const float s = score(selection[e]) + (bias ? bias[e] : 0.0f);
    selection[e] = s == s ? s : -INFINITY;
  }
  __syncwarp();
  if (rule.groups > 1) keep_groups(rule, selection, selection + E);

  auto weight = [&](float s, float sum) {
    return (rule.normalise ? s / (sum + 1e-20f) : s) * rule.scale;
  };
  if (E <= 64) {  // every expert counts those before it, which is sooner done than K rounds of picking
    float s[2], mine[2];
    int rank[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
      const int e = lane() + 32 * i;
      s[i] = e < E ? score(logits[e]) : 0.0f;
      mine[i] = e < E ? selection[e] : -INFINITY;  // past the last expert, so behind all
    }
    for (int j = 0; j < E; j++) {
      const float v = selection[j];
      for (int i = 0; i < 2; i++) rank[i] += v > mine[i] || (v == mine[i] && j < lane() + 32 * i);
    }
    const float sum = warp_sum((rank[0] < rule.used ? s[0] : 0.0f) + (rank[1] < rule.used ? s[1] : 0.0f));
    for (int i = 0; i < 2; i++) {
      if (rank[i] >= rule.used) continue;
      ids[rank[i]] = lane() + 32 * i;
      weights[rank[i]] = weight(s[i], sum);
    }
    return;
  }

  unsigned taken = 0;  // bit i: expert lane + 32i
  auto best_left = [&] {
    unsigned long long key = 0;
    for (int i = 0, e = lane(); e < E; i++, e += 32) {
      const unsigned long long other = taken >> i & 1 ? 0 : order_key(selection[e], e);
      if (other > key) key = other;
    }
    return key;
  };
  unsigned long long mine = best_left();
  int chosen = 0;
  for (int k = 0; k < rule.used; k++) {
    const int e = key_index(warp_max_key(mine));
    if (lane() == k) chosen = e;
    if (e % 32 == lane()) {
      taken |= 1u << (e / 32);
      mine = best_left();
    }
    __syncwarp();
  }
  float s = lane() < rule.used ? score(logits[chosen]) : 0.0f;
  const float sum = warp_sum(s);
  if (lane() < rule.used) {
    ids[lane()] = chosen;
    weights[lane()] = weight(s, sum);
  }
}

// Chooses for each row of logits [T, E]; bias [E] or null. K and E at most 32 and 1024. Grid T, block 32, dynamic
// shared memory 4·(E + groups).
KERNEL(route, (const float* logits, const float* bias, int E, int K, int groups, int groupsUsed, int scoring,
               int groupScore, int normalise, float scale, const int* sequence, int* ids, float* weights)) {
  begin_kernel();
  DYNAMIC_SHARED(shared);
  const Rule rule = {E, K, groups, groupsUsed, scoring, groupScore, normalise, scale};
  const long long t = blockIdx.x;
  choose(logits + t * E, bias, rule, sequence[t] < 0, reinterpret_cast<float*>(shared), ids + t * K, weights + t * K);
}

// logits[t, e] = x[t]·w[e] for EXPERTS experts from `first` on and T ≤ TOKENS tokens, by the block. `sums` is
// 32·EXPERTS·TOKENS floats.
template <int TOKENS, int EXPERTS>
__device__ __forceinline__ void gate_products(const float* x, const float* w, int H, int E, int T, int first,
                                              float* sums, float* logits) {
  float acc[EXPERTS][TOKENS] = {};
  const float* row[EXPERTS];
  const float* token[TOKENS];
  for (int j = 0; j < EXPERTS; j++) row[j] = w + (long long)(first + j < E ? first + j : E - 1) * H;
  for (int t = 0; t < TOKENS; t++) token[t] = x + (long long)(t < T ? t : T - 1) * H;
  int from = 0;
  if (H % 4 == 0 && aligned16(w) && aligned16(x)) {
#pragma unroll 4
    for (int u = threadIdx.x; u < H / 4; u += blockDim.x) {
      float4 a[EXPERTS];
#pragma unroll
      for (int j = 0; j < EXPERTS; j++) a[j] = load_once(reinterpret_cast<const float4*>(row[j]) + u);
#pragma unroll
      for (int t = 0; t < TOKENS; t++) {
        const float4 b = load4(token[t] + 4 * u);
#pragma unroll
        for (int j = 0; j < EXPERTS; j++) acc[j][t] += dot4(a[j], b);
      }
    }
    from = H;
  }
  for (int c = from + threadIdx.x; c < H; c += blockDim.x) {
#pragma unroll
    for (int t = 0; t < TOKENS; t++) {
#pragma unroll
      for (int j = 0; j < EXPERTS; j++) acc[j][t] += row[j][c] * token[t][c];
    }
  }
#pragma unroll
  for (int j = 0; j < EXPERTS; j++) {
#pragma unroll
    for (int t = 0; t < TOKENS; t++) {
      const float v = warp_sum(acc[j][t]);
      if (lane() == 0) sums[(j * TOKENS + t) * 32 + warp()] = v;
    }
  }
  __syncthreads();
  const int warps = blockDim.x >> 5;
  for (int i = warp(); i < EXPERTS * TOKENS; i += warps) {
    const float v = warp_sum(lane() < warps ? sums[i * 32 + lane()] : 0.0f);
    const int t = i % TOKENS, e = first + i / TOKENS;
    if (lane() == 0 && t < T && e < E) logits[(long long)t * E + e] = v;
  }
}

// route with the router's product in the same launch, for T ≤ 8: x [T, H], w [E, H], logits scratch [T, E], counter one
// int, zero between launches; with permute too if offset is not null. Grid ceil(E / (T <= 2 ? 1 : 2)), block 256, dynamic shared
// memory 4·T·(E + groups), and no less than permute's with 256 threads where that is done.
KERNEL_BOUNDED(gate_f32, 256, 2,
               (const float* x, const float* w, const float* bias, int H, int E, int K, int groups, int groupsUsed,
                int scoring, int groupScore, int normalise, float scale, const int* sequence, int* ids, float* weights,
                float* logits, int* counter, int T, int* offset, int* slot, int* place)) {
  begin_kernel();
  DYNAMIC_SHARED(shared);
  __shared__ float sums[32 * 16];
  __shared__ int last;
  const int b = blockIdx.x;
  switch (T) {
    case 1: gate_products<1, 1>(x, w, H, E, T, b, sums, logits); break;
    case 2: gate_products<2, 1>(x, w, H, E, T, b, sums, logits); break;
    case 3:
    case 4: gate_products<4, 2>(x, w, H, E, T, 2 * b, sums, logits); break;
    default: gate_products<8, 2>(x, w, H, E, T, 2 * b, sums, logits); break;
  }
  if (!last_block(counter, gridDim.x, &last)) return;
  const Rule rule = {E, K, groups, groupsUsed, scoring, groupScore, normalise, scale};
  const int t = warp();
  if (t < T) {
    choose(logits + (long long)t * E, bias, rule, sequence[t] < 0,
           reinterpret_cast<float*>(shared) + t * choice_floats(rule), ids + t * K, weights + t * K);
  }
  if (offset == nullptr) return;
  __syncthreads();  // the choices are there, and what they took of shared memory is free
  place_slots(ids, T * K, E, nullptr, 0, 1, offset, slot, place, shared);
}

// ---- the sum --------------------------------------------------------------------------------------------------------

// Σk weight[k]·y[place[k]] of four columns from `column` on, in order of k, places of −1 left out.
__device__ __forceinline__ float4 chosen_sum4(const float* y, const int* place, const float* weight, int K, int H, int column) {
  const float4 zero = make_float4(0, 0, 0, 0);
  float4 sum = zero;
#pragma unroll 8
  for (int k = 0; k < K; k++) {
    const int p = place[k];
    const float w = p >= 0 ? weight[k] : 0.0f;
    const float4 v = p >= 0 ? load4(y + (long long)p * H + column) : zero;
    sum = make_float4(sum.x + w * v.x, sum.y + w * v.y, sum.z + w * v.z, sum.w + w * v.w);
  }
  return sum;
}
// The same of one column.
__device__ __forceinline__ float chosen_sum(const float* y, const int* place, const float* weight, int K, int H, int column) {
  float sum = 0;
  for (int k = 0; k < K; k++) {
    const int p = place[k];
    if (p >= 0) sum += weight[k] * y[(long long)p * H + column];
  }
  return sum;
}

// out[t] = base[t] + Σk weights[t, k]·y[place[t·K + k]], summed in order of k, places of −1 left out; base may be null,
// and may be out. y [T·K, H]. Grid (T, ceil(H / 1024)), fewer in y are right too; block 256, no dynamic shared memory.
KERNEL(combine, (const float* y, const int* place, const float* weights, const float* base, float* out, int K, int H)) {
  begin_kernel();
  const long long t = blockIdx.x;
  const int* places = place + t * K;
  const float* weight = weights + t * K;
  const int first = blockIdx.y * blockDim.x + threadIdx.x;
  const int step = gridDim.y * blockDim.x;
  if (H % 4 == 0 && aligned16(y) && aligned16(out) && (!base || aligned16(base))) {
    for (int u = first; u < H / 4; u += step) {
      const float4 start = base ? load4(base + t * H + 4 * u) : make_float4(0, 0, 0, 0);
      store4(out + t * H + 4 * u, add4(start, chosen_sum4(y, places, weight, K, H, 4 * u)));
    }
    return;
  }
  for (int c = first; c < H; c += step) {
    out[t * H + c] = (base ? base[t * H + c] : 0.0f) + chosen_sum(y, places, weight, K, H, c);
  }
}

// combine and, of what it gives, add_rms_norm: x += out, normed = norm(x) · norm. A row is one block's, which pays where K·H is
// small. Grid T, block as add_rms_norm, no dynamic shared memory.
KERNEL_BOUNDED(combine_add_rms_norm, 512, 1,
               (const float* y, const int* place, const float* weights, const float* base, float* out, int K, int H, float* x,
                const float* norm, float eps, float* normed)) {
  begin_kernel();
  const long long t = blockIdx.x;
  const int* places = place + t * K;
  const float* weight = weights + t * K;
  const float* start = base ? base + t * H : nullptr;
  float* to = out + t * H;
  auto added4 = [&](int column) {
    const float4 v = add4(start ? load4(start + column) : make_float4(0, 0, 0, 0), chosen_sum4(y, places, weight, K, H, column));
    store4(to + column, v);
    return v;
  };
  auto added = [&](int column) {
    return to[column] = (start ? start[column] : 0.0f) + chosen_sum(y, places, weight, K, H, column);
  };
  const bool wide = aligned16(y) && aligned16(out) && (!base || aligned16(base));
  normalise<true>(x + t * H, wide, added4, added, x + t * H, norm, eps, normed + t * H, H);
}

}  // namespace yuzui
