// The best of each row of logits.
#include "device.clh"
#include "rows.clh"

// Numbers of a row that a group of top_k_part looks through.
#define SEARCHED 4096

// First of two launches: the k best of every 4096 logits of a row, as order_key, 0 past the last. logits [M, V]; best
// [M, B, k] with B = ceil(V / 4096). Groups (B, M); keys: a ulong for each of the 4096, shared: for each work-item.
//
// Each round takes the best of all work-items' bests; only its owner looks for its next.
__kernel void top_k_part(IN(logits), int V, int k, OUT(best), __local ulong *shared) {
  const int first = get_local_id(0), step = get_local_size(0);
  const int from = get_group_id(0) * SEARCHED;
  const int to = min(V, from + SEARCHED);
  const ulong m = get_group_id(1);
  const __global float *row = READ(float, logits) + m * V;
  __global ulong *put = WRITE(ulong, best) + (m * get_num_groups(0) + get_group_id(0)) * k;
  ulong below = ULONG_MAX, mine = 0;
  bool stale = true;
  for (int r = 0; r < k; r++) {
    if (stale) {
      mine = 0;
      for (int i = from + first; i < to; i += step) {
        const ulong key = order_key(row[i], i);
        if (key < below) mine = max(mine, key);
      }
    }
    const ulong most = group_max_key(mine, shared);
    if (first == 0) put[r] = most;
    stale = mine == most;
    below = most;
  }
}

// The second: ids and values [M, k], best first, ties to the lower id; k <= V. NaN counts, and is given, as -inf. A
// group for each row; shared: a ulong for each work-item. The parts' keys are in order: a work-item looks at the next of
// each of its parts alone.
__kernel void top_k_merge(IN(best), int B, int k, OUT(ids), OUT(values), __local ulong *shared) {
  const int first = get_local_id(0), step = get_local_size(0);
  const ulong m = get_group_id(0);
  const __global ulong *keys = READ(ulong, best) + m * B * k;
  ulong below = ULONG_MAX, mine = 0;
  bool stale = true;
  for (int r = 0; r < k; r++) {
    if (stale) {
      mine = 0;
      for (int b = first; b < B; b += step) {
        int i = 0;
        while (i < k && keys[b * k + i] >= below) i++;
        if (i < k) mine = max(mine, keys[b * k + i]);
      }
    }
    const ulong most = group_max_key(mine, shared);
    if (first == 0) {
      WRITE(int, ids)[m * k + r] = key_index(most);
      WRITE(float, values)[m * k + r] = key_value(most);
    }
    stale = mine == most;
    below = most;
  }
}
