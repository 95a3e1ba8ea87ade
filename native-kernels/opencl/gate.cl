// The choice of experts, and the slots of a step sorted by expert.
#include "device.clh"
#include "rows.clh"

// What an expert's logit says of it; `most` is the greatest of the row, and softmax is yet to be divided by the sum. Scoring: 0
// softmax, 1 sigmoid, 2 the root of softplus.
INLINE float score_of(int scoring, float logit, float most) {
  return scoring == 0   ? exp(logit - most)
         : scoring == 1 ? 1.0f / (1.0f + exp(-logit))
                        : sqrt(fmax(logit, 0.0f) + log1p(exp(-fabs(logit))));
}

// Picks K of E experts for each row, see GateRule; ids are -1 and weights 0 where the sequence is -1. A group for each
// row; shared: score and choice E floats each, group_score a float for each group of experts, shared a ulong for each
// work-item.
__kernel void route(IN(logits), IN(bias), int E, int K, int groups, int groupsUsed, int scoring, int twoBest,
                    int normalise, float scale, IN(sequence), OUT(ids), OUT(weights), __local float *score,
                    __local float *choice, __local float *group_score, __local ulong *shared) {
  const ulong t = get_group_id(0);
  const int first = get_local_id(0), step = get_local_size(0);
  __global int *id = WRITE(int, ids) + t * K;
  __global float *weight = WRITE(float, weights) + t * K;
  const __global float *logit = READ(float, logits) + t * E;
  if (READ(int, sequence)[t] < 0) {
    for (int k = first; k < K; k += step) {
      id[k] = -1;
      weight[k] = 0;
    }
    return;
  }

  float most = -INFINITY;
  for (int e = first; e < E; e += step) most = fmax(most, logit[e]);
  most = group_max(most, (__local float *)shared);
  float sum = 0;
  for (int e = first; e < E; e += step) {
    score[e] = score_of(scoring, logit[e], most);
    sum += score[e];
  }
  sum = group_sum(sum, (__local float *)shared);
  const float whole = scoring == 0 ? sum : 1.0f;
  for (int e = first; e < E; e += step) {
    score[e] /= whole;
    choice[e] = score[e] + (HAS(bias) ? READ(float, bias)[e] : 0.0f);
  }
  barrier(CLK_LOCAL_MEM_FENCE);

  const int size = E / groups;
  if (groups > 1) {
    for (int g = first; g < groups; g += step) {
      float best = -INFINITY, next = -INFINITY;
      for (int e = g * size; e < (g + 1) * size; e++) {
        next = fmax(next, fmin(best, choice[e]));
        best = fmax(best, choice[e]);
      }
      group_score[g] = twoBest && size > 1 ? best + next : best;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int g = first; g < groups; g += step) {
      int better = 0;
      for (int o = 0; o < groups; o++) {
        better += group_score[o] > group_score[g] || (group_score[o] == group_score[g] && o < g);
      }
      if (better >= groupsUsed) {
        for (int e = g * size; e < (g + 1) * size; e++) choice[e] = NAN;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  // Experts that are out, by their group or because they are chosen, are NAN and have no key. A work-item looks at its
  // own experts alone.
  float chosen = 0;
  for (int k = 0; k < K; k++) {
    ulong key = 0;
    for (int e = first; e < E; e += step) {
      if (!isnan(choice[e])) key = max(key, order_key(choice[e], e));
    }
    key = group_max_key(key, shared);
    const int e = key == 0 ? k : key_index(key);  // 0: all others are NaN, which is somebody else's failure
    if (e % step == first) choice[e] = NAN;
    chosen += score[e];
    if (first == 0) id[k] = e;
  }
  barrier(CLK_GLOBAL_MEM_FENCE);
  const float factor = scale / (normalise ? chosen + 1e-20f : 1.0f);
  for (int k = first; k < K; k += step) weight[k] = score[id[k]] * factor;
}

// The K experts that the table [V, K] names for each row's token. A group for each row; shared: a float for each work-item.
__kernel void route_by_token(IN(logits), IN(table), IN(token), int E, int K, int scoring, int normalise, float scale, IN(sequence),
                             OUT(ids), OUT(weights), __local float *shared) {
  const ulong t = get_group_id(0);
  const int first = get_local_id(0), step = get_local_size(0);
  const __global float *logit = READ(float, logits) + t * E;
  float most = -INFINITY, sum = 0;
  for (int e = first; scoring == 0 && e < E; e += step) most = fmax(most, logit[e]);
  most = group_max(most, shared);
  for (int e = first; scoring == 0 && e < E; e += step) sum += exp(logit[e] - most);
  sum = group_sum(sum, shared);
  const bool padding = READ(int, sequence)[t] < 0;
  const __global int *named = READ(int, table) + READ(int, token)[t] * (ulong)K;
  const float whole = scoring == 0 ? sum : 1.0f;
  float chosen = 0;
  for (int k = 0; k < K; k++) chosen += score_of(scoring, logit[named[k]], most) / whole;
  const float factor = scale / (normalise ? chosen + 1e-20f : 1.0f);
  for (int k = first; k < K; k += step) {
    WRITE(int, ids)[t * K + k] = padding ? -1 : named[k];
    WRITE(float, weights)[t * K + k] = padding ? 0 : score_of(scoring, logit[named[k]], most) / whole * factor;
  }
}

// Sorts the slots of ids, -1 in padding rows, by expert into offset [E + 1], slot and place [slots]; see Dispatch. One
// group: slots are counted, and placed as many at a time as it has work-items, each behind those of its expert before it.
// count, next: E ints; here: as many as work-items.
//
// What is written is never read back: PoCL 3.1 lets every work-item run what only the first of a group should.
__kernel void permute(IN(ids), int slots, int E, OUT(offset), OUT(slot), OUT(place), __local int *count, __local int *next,
                      __local int *here) {
  const __global int *id = READ(int, ids);
  const int first = get_local_id(0), step = get_local_size(0);
  for (int e = first; e < E; e += step) count[e] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int s = first; s < slots; s += step) {
    if (id[s] >= 0) atomic_inc(&count[id[s]]);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int e = first; e <= E; e += step) {
    int to = 0;
    for (int before = 0; before < e; before++) to += count[before];
    WRITE(int, offset)[e] = to;
    if (e < E) next[e] = to;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int from = 0; from < slots; from += step) {
    const int s = from + first, e = s < slots ? id[s] : -1;
    here[first] = e;
    barrier(CLK_LOCAL_MEM_FENCE);
    int before = 0, all = 0;  // of these slots, those of the same expert
    for (int i = 0; i < step; i++) {
      all += here[i] == e;
      before += here[i] == e && i < first;
    }
    if (e >= 0) {
      const int to = next[e] + before;
      WRITE(int, slot)[to] = s;
      WRITE(int, place)[s] = to;
    } else if (s < slots) {
      WRITE(int, place)[s] = -1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (e >= 0 && before == 0) next[e] += all;
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
