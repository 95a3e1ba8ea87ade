// Kernels for the simulator's own tests: each does one thing right or wrong.
#include "device.cuh"

namespace yuzui {

KERNEL(scale, (const float* x, float* out, long long n, float by)) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = x[i] * by;
}

KERNEL(read_at, (const float* x, long long at, float* out)) {
  if (threadIdx.x == 0) *out = x[at];
}

KERNEL(write_at, (float* x, long long at)) {
  if (threadIdx.x == 5) x[at] = 1;
}

KERNEL(misaligned, (const float* x, float* out)) {
  float4 v = *reinterpret_cast<const float4*>(x + 1);
  out[0] = v.x + v.w;
}

// Block sums through shared memory, with a barrier.
KERNEL(block_sum, (const float* x, float* out)) {
  __shared__ float sums[32];
  float s = warp_sum(x[blockIdx.x * blockDim.x + threadIdx.x]);
  if (lane() == 0) sums[warp()] = s;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (int w = 0; w < (int)blockDim.x / 32; w++) total += sums[w];
    out[blockIdx.x] = total;
  }
}

// Reads what its neighbour writes, on either side, without a barrier between.
KERNEL(no_barrier, (int* out)) {
  DYNAMIC_SHARED(bytes);
  int* values = reinterpret_cast<int*>(bytes);
  values[threadIdx.x] = (int)threadIdx.x;
  int neighbour = ((int)threadIdx.x ^ 32);
  out[blockIdx.x * blockDim.x + threadIdx.x] = values[neighbour];
}

KERNEL(half_barrier, (int* out)) {
  if (threadIdx.x < 32) {
    __syncthreads();
    out[threadIdx.x] = 1;
  } else {
    out[threadIdx.x] = shuffle(2, 0);
    __syncthreads();
  }
}

KERNEL(half_shuffle, (int* out)) {
  if (lane() < 16) out[threadIdx.x] = shuffle((int)threadIdx.x, 3);
}

KERNEL(shuffles, (int* out)) {
  int v = 100 + lane();
  int* row = out + lane() * 8;
  row[0] = shuffle(v, 7);
  row[1] = shuffle_xor(v, 5);
  row[2] = shuffle_up(v, 3);
  row[3] = (int)ballot(lane() % 3 == 0);
  row[4] = warp_sum(v);
  row[5] = (int)warp_max((float)v);
  row[6] = (int)(shuffle((long long)v << 33, 9) >> 33);
  row[7] = (int)byte_perm(0x33221100u, 0x77665544u, 0x0714);
}

// The 16×8 product of a 16×16 and a 16×8 matrix of halves (or bfloat16s) in row-major order.
KERNEL(product, (const unsigned short* a, const unsigned short* b, float* out, int bf16)) {
  int g = lane() / 4, c = lane() % 4;
  auto pair = [](unsigned short lo, unsigned short hi) { return lo | (unsigned)hi << 16; };
  unsigned fa[4];
  for (int i = 0; i < 4; i++) {
    int row = g + (i & 1) * 8, column = 2 * c + (i >> 1) * 8;
    fa[i] = pair(a[row * 16 + column], a[row * 16 + column + 1]);
  }
  unsigned b0 = pair(b[(2 * c) * 8 + g], b[(2 * c + 1) * 8 + g]);
  unsigned b1 = pair(b[(2 * c + 8) * 8 + g], b[(2 * c + 9) * 8 + g]);
  float d[4] = {1, 2, 3, 4};
  if (bf16) {
    mma_bf16(d, fa, b0, b1);
  } else {
    mma_f16(d, fa, b0, b1);
  }
  for (int i = 0; i < 4; i++) out[(g + (i >> 1) * 8) * 8 + 2 * c + (i & 1)] = d[i];
}

// Four 8×8 matrices, row-major one after another, as B fragments: out[lane][matrix].
KERNEL(transposed, (const unsigned short* matrices, unsigned* out)) {
  DYNAMIC_SHARED(bytes);
  unsigned short* shared = reinterpret_cast<unsigned short*>(bytes);
  for (int i = lane(); i < 256; i += 32) shared[i] = matrices[i];
  __syncthreads();
  unsigned r[4];
  load_matrix_transposed(r, shared + lane() * 8);
  for (int i = 0; i < 4; i++) out[lane() * 4 + i] = r[i];
}

// What a thread finds before and after it waits for its copies.
KERNEL(async, (const float* x, float* out)) {
  DYNAMIC_SHARED(bytes);
  float* shared = reinterpret_cast<float*>(bytes);
  int t = (int)threadIdx.x;
  copy_async(shared + 8 * t, x + 4 * t, true);
  copy_commit();
  copy_async(shared + 8 * t + 4, x + 4 * t, false);
  copy_commit();
  out[4 * t] = shared[8 * t];
  copy_wait<1>();
  out[4 * t + 1] = shared[8 * t];
  out[4 * t + 2] = shared[8 * t + 4];
  copy_wait<0>();
  out[4 * t + 3] = shared[8 * t + 4];
}

KERNEL(halves, (const float* x, unsigned short* half, unsigned short* bf16, int n)) {
  for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
    half[i] = float_half(x[i]);
    bf16[i] = float_bf16(x[i]);
  }
}

KERNEL(half_products, (const unsigned* a, const unsigned* b, const unsigned* c, unsigned* out)) {
  unsigned i = threadIdx.x;
  out[i] = half2_fma(a[i], b[i], c[i]);
}

KERNEL(shared_at, (float* out, int at)) {
  DYNAMIC_SHARED(bytes);
  float* shared = reinterpret_cast<float*>(bytes);
  shared[at] = 1;
  out[0] = shared[at];
}

namespace {
template <class T>
__device__ __forceinline__ T variable_at(int at, bool write) {
  __shared__ T values[16];
  if (write) values[at] = 1;
  return values[at];
}
__constant__ float TABLE[4] = {1, 2, 3, 4};
}  // namespace

KERNEL(shared_variable_at, (float* out, int at, int write)) {
  float v = variable_at<float>(at, write != 0);
  if (threadIdx.x == 0) *out = v;
}

KERNEL(table_at, (float* out, int at)) { *out = TABLE[at]; }

// Reads what the block before wrote, if it came before.
KERNEL(block_before, (int* out)) {
  out[blockIdx.x] = blockIdx.x == 0 ? 1 : out[blockIdx.x - 1] + 1;
}

// The sum of all values, by the last block that comes.
KERNEL_BOUNDED(last, 64, 1, (int* partial, int* counter, int* out)) {
  __shared__ int flag;
  if (threadIdx.x == 0) partial[blockIdx.x] = (int)blockIdx.x + 1;
  if (last_block(counter, (int)gridDim.x, &flag) && threadIdx.x == 0) {
    int sum = 0;
    for (int i = 0; i < (int)gridDim.x; i++) sum += partial[i];
    *out = sum;
  }
}

}  // namespace yuzui
