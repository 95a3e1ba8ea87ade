// The attention kernels through the driver, against sums in double precision: every cache type, odd lengths and page
// sizes, several sequences, padding, numbers of heads that fill no block, one split and many. Runs on the simulator.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "launch.h"

namespace {

// ---- numbers --------------------------------------------------------------------------------------------------------

std::mt19937 generator(11);
std::vector<float> normal(size_t n, float deviation = 1) {
  std::normal_distribution<float> d(0, deviation);
  std::vector<float> v(n);
  for (float& x : v) x = d(generator);
  return v;
}

float half_value(uint16_t h) {
  const int exponent = h >> 10 & 31;
  const float m = (float)(h & 1023);
  const float v = exponent == 0 ? std::ldexp(m, -24) : std::ldexp(1024 + m, exponent - 25);
  return h >> 15 ? -v : v;
}
uint16_t half_of(float v) {  // of numbers that F16 has room for, to the nearest even
  const float magnitude = std::fabs(v);
  int exponent = magnitude == 0 ? -14 : std::max(-14, std::ilogb(magnitude));
  int m = (int)std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  return (uint16_t)((v < 0 ? 0x8000 : 0) | (((exponent + 14) << 10) + m));
}
float e4m3_value(int code) {
  const int exponent = code >> 3 & 15;
  const float m = (float)(code & 7);
  const float v = exponent == 0 ? std::ldexp(m, -9) : std::ldexp(8 + m, exponent - 10);
  return code >> 7 ? -v : v;
}

// A cache of random entries: its bytes, and what they mean.
struct Cache {
  std::string type;
  int entry;
  std::vector<uint8_t> bytes;
  std::vector<float> values;

  Cache(const std::string& type, int rows, int entry) : type(type), entry(entry), values(normal((size_t)rows * entry)) {
    auto put = [&](const void* p, size_t n) {
      bytes.insert(bytes.end(), static_cast<const uint8_t*>(p), static_cast<const uint8_t*>(p) + n);
    };
    for (float& v : values) {
      if (type == "f32") {
        put(&v, 4);
      } else if (type == "f16") {
        const uint16_t h = half_of(v);
        put(&h, 2);
        v = half_value(h);
      } else if (type == "bf16") {
        uint32_t u;
        std::memcpy(&u, &v, 4);
        const uint16_t b = (uint16_t)(u >> 16);
        put(&b, 2);
        u &= 0xffff0000u;
        std::memcpy(&v, &u, 4);
      } else {  // all codes up to 4 in size, subnormals too
        const uint8_t code = (uint8_t)((generator() & 128) | generator() % 73);
        put(&code, 1);
        v = e4m3_value(code);
      }
    }
  }
};

// ---- steps ----------------------------------------------------------------------------------------------------------

struct Shape {
  int heads, nope, rope, value, lora;
  int entry() const { return lora + rope; }
};

// Rows of a step, over sequences whose pages lie anywhere.
struct Step {
  int pageTokens;
  std::vector<int> sequence, position, length;
  std::vector<int> pages;
  int perSequence = 0;

  int rows() const { return (int)sequence.size(); }
  int sequences() const { return *std::max_element(sequence.begin(), sequence.end()) + 1; }
  void add(int s, int p, int l) {
    sequence.push_back(s);
    position.push_back(p);
    length.push_back(l);
  }
  int place_pages() {  // returns the entries of the cache
    int longest = 1;
    for (int t = 0; t < rows(); t++) longest = std::max({longest, length[t], position[t] + 1});
    perSequence = (longest + pageTokens - 1) / pageTokens;
    pages.resize((size_t)std::max(1, sequences()) * perSequence);
    std::iota(pages.begin(), pages.end(), 0);
    std::shuffle(pages.begin(), pages.end(), generator);
    return (int)pages.size() * pageTokens;
  }
  size_t row(int s, int i) const {
    return (size_t)pages[(size_t)s * perSequence + i / pageTokens] * pageTokens + i % pageTokens;
  }
};

Step decoding(int pageTokens, std::vector<std::pair<int, int>> sequenceAndLength) {
  Step step{pageTokens, {}, {}, {}, {}};
  for (auto [s, l] : sequenceAndLength) step.add(s, std::max(0, l - 1), s < 0 ? 0 : l);
  return step;
}
// Rows of sequences 0, 1, …: `count` from `start` on; padding up to `rows`.
Step prompts(int pageTokens, std::vector<std::pair<int, int>> startAndCount, int rows) {
  Step step{pageTokens, {}, {}, {}, {}};
  for (size_t s = 0; s < startAndCount.size(); s++) {
    auto [start, count] = startAndCount[s];
    for (int i = 0; i < count; i++) step.add((int)s, start + i, start + i + 1);
  }
  while (step.rows() < rows) step.add(-1, 0, 0);
  return step;
}

// ---- decode ---------------------------------------------------------------------------------------------------------

// The largest differences of out, and of m and l, from softmax(q·[c; k]·scale)·c in double precision.
struct Difference {
  double out = 0, stat = 0;
};
void widen(double& worst, double got, double wanted) {
  const double d = std::fabs(got - wanted);
  worst = std::max(worst, std::isnan(d) ? INFINITY : d);
}

Difference absorbed(const Shape& shape, const Step& step, const Cache& cache, const std::vector<float>& q, float scale,
                    const std::vector<float>& out, const std::vector<float>& stat) {
  Difference worst;
  const int E = shape.entry(), L = shape.lora;
  for (int t = 0; t < step.rows(); t++) {
    const int s = step.sequence[t], length = s < 0 ? 0 : step.length[t];
    for (int n = 0; n < shape.heads; n++) {
      const size_t head = (size_t)t * shape.heads + n;
      std::vector<double> p(length), o(L);
      double m = -INFINITY, l = 0;
      for (int i = 0; i < length; i++) {
        const float* entry = &cache.values[step.row(s, i) * E];
        p[i] = std::inner_product(entry, entry + E, &q[head * E], 0.0,
                                  std::plus<>(), [](double a, double b) { return a * b; }) * scale;
        m = std::max(m, p[i]);
      }
      for (int i = 0; i < length; i++) {
        const float* entry = &cache.values[step.row(s, i) * E];
        l += p[i] = std::exp(p[i] - m);
        for (int e = 0; e < L; e++) o[e] += p[i] * entry[e];
      }
      for (int e = 0; e < L; e++) widen(worst.out, out[head * L + e], length > 0 ? o[e] / l : 0);
      if (length > 0) {
        widen(worst.stat, stat[2 * head], m);
        widen(worst.stat, stat[2 * head + 1] / l, 1);
      } else if (stat[2 * head] != -INFINITY || stat[2 * head + 1] != 0) {
        worst.stat = INFINITY;
      }
    }
  }
  return worst;
}

// Device copies of what all kernels of a step read.
struct OnDevice {
  Device<uint8_t> entries;
  Device<int> pages, position, sequence, length;
  OnDevice(const Step& step, const Cache& cache)
      : entries(cache.bytes),
        pages(step.pages),
        position(step.position),
        sequence(step.sequence),
        length(step.length) {}
};

void run_decode(const std::string& type, const Shape& shape, const Step& step, const OnDevice& device, CUdeviceptr q,
                CUdeviceptr kvLength, float scale, CUdeviceptr out, CUdeviceptr stat, int splits, int stages,
                CUdeviceptr unless) {
  const int N = shape.heads, L = shape.lora, R = shape.rope, E = L + R, T = step.rows(), leastTiles = 2;
  const bool narrow = type == "e4m3";
  const size_t shared = (size_t)stages * 32 * (narrow ? E : 2 * (E + 8)) + (narrow ? 64 * (E + 8) : 0) + 19392;
  Device<float> partial((size_t)T * N * splits * (L + 2));
  launch("mla_decode_" + type, {blocks(N, 16), (unsigned)splits, (unsigned)T}, 256, shared, q, E, q + 4 * L, N * E, E,
         device.entries.at, step.pageTokens, device.pages.at, step.perSequence, device.sequence.at, kvLength, N, L, R, scale, out, stat,
         splits > 1 ? partial.at : NONE, splits, leastTiles, stages, unless, NONE);
  if (splits > 1) {
    launch("mla_combine", {(unsigned)N, (unsigned)T, blocks(L, 128)}, 256, 0, partial.at, device.sequence.at, kvLength,
           N, L, splits, leastTiles, out, stat, unless);
  }
}

void run_plain(const std::string& type, const Shape& shape, const Step& step, const OnDevice& device, CUdeviceptr q,
               CUdeviceptr kvLength, float scale, CUdeviceptr out, CUdeviceptr stat, CUdeviceptr unless) {
  const int N = shape.heads, L = shape.lora, R = shape.rope;
  launch("mla_plain_" + type, {(unsigned)N, (unsigned)step.rows()}, 128, (size_t)(2 * L + R + 32) * 4, q, L + R,
         q + 4 * L, N * (L + R), L + R, device.entries.at, step.pageTokens, device.pages.at, step.perSequence, device.sequence.at, kvLength, N, L, R,
         scale, out, stat, unless, NONE);
}

void decode(const std::string& kernel, const std::string& type, Shape shape, Step step, int splits = 1,
            int stages = 2) {
  const int rows = step.place_pages();
  const Cache cache(type, rows, shape.entry());
  const OnDevice device(step, cache);
  const std::vector<float> q = normal((size_t)step.rows() * shape.heads * shape.entry());
  const Device<float> query(q);
  const Device<float> out((size_t)step.rows() * shape.heads * shape.lora), stat((size_t)step.rows() * shape.heads * 2);
  const float scale = 1 / std::sqrt((float)(shape.lora / 4 + shape.rope));
  if (kernel == "plain") {
    run_plain(type, shape, step, device, query.at, device.length.at, scale, out.at, stat.at, NONE);
  } else {
    run_decode(type, shape, step, device, query.at, device.length.at, scale, out.at, stat.at, splits, stages, NONE);
  }
  const Difference worst = absorbed(shape, step, cache, q, scale, out.read(), stat.read());
  const std::string what = kernel + " " + type + ", " + std::to_string(shape.heads) + " heads, latent " +
                           std::to_string(shape.lora) + "/" + std::to_string(shape.rope) + ", pages of " +
                           std::to_string(step.pageTokens) + ", " + std::to_string(splits) + " splits";
  near(worst.out, 5e-5, what);
  near(worst.stat, 5e-5, what + ", greatest score and sum");
}

// ---- prefill --------------------------------------------------------------------------------------------------------

std::vector<uint16_t> halves(const std::vector<double>& values) {
  std::vector<uint16_t> h(values.size());
  for (size_t i = 0; i < h.size(); i++) h[i] = half_of((float)values[i]);
  return h;
}

// y[t] = w·x[t], x [T, k], w [n, k].
std::vector<double> product(const std::vector<double>& x, const std::vector<float>& w, size_t k) {
  const size_t T = x.size() / k, n = w.size() / k;
  std::vector<double> y(T * n);
  for (size_t t = 0; t < T; t++) {
    for (size_t j = 0; j < n; j++) {
      for (size_t i = 0; i < k; i++) y[t * n + j] += x[t * k + i] * w[j * k + i];
    }
  }
  return y;
}

// The sequence of prefill.cu, with products in double precision for its gemms. ownRows: rows that see some of the
// step's own.
void prefill(const std::string& type, Shape shape, Step step, int ownRows, int stages = 2) {
  const int N = shape.heads, P = shape.nope, R = shape.rope, V = shape.value, L = shape.lora, E = L + R;
  const int T = step.rows(), width = (L + 31) / 32 * 32, inner = P + R;
  const std::string what = "prefill " + type + ", shape " + std::to_string(P) + "/" + std::to_string(R) + "/" +
                           std::to_string(V) + ", " + std::to_string(T) + " rows";
  const Cache cache(type, step.place_pages(), E);
  const OnDevice device(step, cache);
  const std::vector<float> q = normal((size_t)T * N * inner);
  const std::vector<float> keyUp = normal((size_t)N * P * L, 1 / std::sqrt((float)L));    // [N·P, L]
  const std::vector<float> valueUp = normal((size_t)N * V * L, 1 / std::sqrt((float)L));  // [N·V, L]
  const float scale = 1 / std::sqrt((float)inner);

  const Device<int> first(T), own(T), history(T), anyHistory(1);
  launch("prefill_rows", {}, 1024, 0, device.position.at, device.sequence.at, device.length.at, T, first.at, own.at,
         history.at, anyHistory.at);
  const std::vector<int> ownOf = own.read(), historyOf = history.read();
  if (std::count_if(ownOf.begin(), ownOf.end(), [](int n) { return n > 0; }) != ownRows) die(what + ": own rows");
  for (int t = 0; t < T; t++) {
    if (ownOf[t] + historyOf[t] != (step.sequence[t] < 0 ? 0 : step.length[t])) die(what + ": entries of row");
  }
  const bool any = std::any_of(historyOf.begin(), historyOf.end(), [](int n) { return n > 0; });
  if (anyHistory.read()[0] != (int)any) die(what + ": anyHistory");

  const Device<uint16_t> xh((size_t)T * width), keys((size_t)T * R);
  const Device<float> xScale(T);
  launch("gather_latent_" + type, {(unsigned)T}, 256, 0, device.entries.at, step.pageTokens, device.pages.at,
         step.perSequence, device.position.at, device.sequence.at, L, R, xh.at, xScale.at, keys.at);
  const std::vector<uint16_t> gathered = xh.read(), key = keys.read();
  const std::vector<float> unit = xScale.read();
  std::vector<double> latent((size_t)T * L);
  double gatherOff = 0;
  for (int t = 0; t < T; t++) {
    const int s = step.sequence[t];
    auto wanted = [&](int i) { return s < 0 ? 0.0f : cache.values[step.row(s, step.position[t]) * E + i]; };
    for (int i = 0; i < width; i++) {
      const int in = i % 32, at = i - in + in % 16 / 4 * 8 + in / 16 * 4 + in % 4;
      const float x = half_value(gathered[(size_t)t * width + at]) * unit[t];
      widen(gatherOff, x, i < L ? wanted(i) : 0);
      if (i < L) latent[(size_t)t * L + i] = x;
    }
    for (int i = 0; i < R; i++) widen(gatherOff, half_value(key[(size_t)t * R + i]), wanted(L + i));
  }
  near(gatherOff, type == "f32" ? 2e-3 : 0, what + ", gathered entries");

  const Device<uint16_t> K(halves(product(latent, keyUp, L))), values(halves(product(latent, valueUp, L)));
  const Device<float> query(q), out((size_t)T * N * V), stat((size_t)T * N * 2);
  const bool large = inner > 192 || V > 128;
  const char* flash = P == 128 && R == 64 && V == 128 ? "mla_flash" : large ? "mla_flash_large" : "mla_flash_small";
  launch(flash, {blocks(T, 128), (unsigned)N}, 256, (size_t)stages * (large ? 32 : 64) * 2 * (inner + V + 16), query.at,
         K.at, keys.at, values.at, first.at, own.at, T, N, P, R, V, scale, out.at, stat.at, stages);

  std::vector<float> absorbedQuery((size_t)T * N * E);
  for (size_t head = 0; head < (size_t)T * N; head++) {
    const size_t n = head % N;
    for (int l = 0; l < L; l++) {
      double sum = 0;
      for (int p = 0; p < P; p++) sum += (double)q[head * inner + p] * keyUp[(n * P + p) * L + l];
      absorbedQuery[head * E + l] = (float)sum;
    }
    for (int r = 0; r < R; r++) absorbedQuery[head * E + L + r] = q[head * inner + P + r];
  }
  const Device<float> qa(absorbedQuery), oa((size_t)T * N * L), statHistory((size_t)T * N * 2);
  if (type == "f32") {
    run_plain(type, shape, step, device, qa.at, history.at, scale, oa.at, statHistory.at, anyHistory.at);
  } else {
    run_decode(type, shape, step, device, qa.at, history.at, scale, oa.at, statHistory.at, 1, 2, anyHistory.at);
  }
  const std::vector<float> o = oa.read();
  std::vector<float> past((size_t)T * N * V);
  for (size_t i = 0; i < past.size(); i++) {
    double sum = 0;
    for (int l = 0; l < L; l++) sum += (double)o[i / V * L + l] * valueUp[i % ((size_t)N * V) * L + l];
    past[i] = (float)sum;
  }
  const Device<float> outHistory(past);
  launch("mla_merge", {(unsigned)T}, 256, 0, out.at, stat.at, outHistory.at, statHistory.at, N, V, T, anyHistory.at);

  // softmax over all that a row may see is what the absorbed form says of exact products.
  const std::vector<float> got = out.read();
  std::vector<double> wanted((size_t)T * N * V);
  for (int t = 0; t < T; t++) {
    const int s = step.sequence[t], length = s < 0 ? 0 : step.length[t];
    for (int n = 0; n < N && length > 0; n++) {
      const float* qn = &absorbedQuery[((size_t)t * N + n) * E];
      std::vector<double> score(length), mean(L);
      double m = -INFINITY, l = 0;
      for (int i = 0; i < length; i++) {
        const float* entry = &cache.values[step.row(s, i) * E];
        for (int e = 0; e < E; e++) score[i] += (double)qn[e] * entry[e] * scale;
        m = std::max(m, score[i]);
      }
      for (int i = 0; i < length; i++) {
        const double p = std::exp(score[i] - m);
        l += p;
        for (int e = 0; e < L; e++) mean[e] += p * cache.values[step.row(s, i) * E + e];
      }
      for (int v = 0; v < V; v++) {
        for (int e = 0; e < L; e++) {
          wanted[((size_t)t * N + n) * V + v] += mean[e] / l * valueUp[((size_t)n * V + v) * L + e];
        }
      }
    }
  }
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); i++) widen(worst, got[i], wanted[i]);
  near(worst, 4e-3, what);  // queries, keys, values and weights have 11 bits each
}

// ---- grouped --------------------------------------------------------------------------------------------------------

// How grouped.cu is launched: for all rows by one form, or prompts beside rows alone in their sequence.
enum class Form { DECODE, PROMPT, BOTH };

struct Heads {
  int kv, each, width;
  int all() const { return kv * each; }
};

void grouped(Form form, const std::string& type, Heads heads, Step step, int splits = 1, int stages = 2,
             int rowsOfBlock = 1) {
  const int G = heads.kv, N = heads.all(), D = heads.width, E = 2 * G * D, T = step.rows(), leastTiles = 1;
  const Cache cache(type, step.place_pages(), E);
  const OnDevice device(step, cache);
  const std::vector<float> q = normal((size_t)T * N * D);
  const Device<float> query(q), out((size_t)T * N * D), partial((size_t)T * N * splits * (D + 2));
  const float scale = 1 / std::sqrt((float)D);
  auto run = [&](bool prompt, int which, int rows) {
    const int queries = prompt ? 64 : 16, headBlocks = (int)blocks(heads.each, queries), h = (int)blocks(heads.each, headBlocks);
    rows = std::min(rows, queries / h);
    const size_t wide = (size_t)64 * 2 * (2 * D + 8);
    const size_t shared = stages * (type == "e4m3" ? (size_t)64 * 2 * D : wide) + (type == "e4m3" ? wide : 0) + 2 * queries * D;
    launch((prompt ? "attend_prompt_" : "attend_decode_") + type, {blocks(T, rows) * headBlocks * G, (unsigned)splits}, 128,
           shared, query.at, device.entries.at, step.pageTokens, device.pages.at, step.perSequence, device.sequence.at,
           device.length.at, T, N, G, D, scale, out.at, splits > 1 ? partial.at : NONE, rows, h, which, splits, leastTiles,
           stages);
  };
  if (form != Form::BOTH) {
    run(form == Form::PROMPT, 0, rowsOfBlock);
  } else {
    run(true, 2, rowsOfBlock);
    run(false, 1, 1);
  }
  if (splits > 1) launch("attend_combine", {(unsigned)N, (unsigned)T}, 128, 0, partial.at, N, D, splits, out.at);

  const std::vector<float> got = out.read();
  double worst = 0;
  for (size_t head = 0; head < (size_t)T * N; head++) {
    const int t = (int)(head / N), s = step.sequence[t], length = s < 0 ? 0 : step.length[t];
    const int key = (int)(head % N) / heads.each * 2 * D;
    std::vector<double> p(length), o(D);
    double m = -INFINITY, l = 0;
    for (int i = 0; i < length; i++) {
      const float* entry = &cache.values[step.row(s, i) * E + key];
      for (int e = 0; e < D; e++) p[i] += (double)q[head * D + e] * entry[e] * scale;
      m = std::max(m, p[i]);
    }
    for (int i = 0; i < length; i++) {
      l += p[i] = std::exp(p[i] - m);
      for (int e = 0; e < D; e++) o[e] += p[i] * cache.values[step.row(s, i) * E + key + D + e];
    }
    for (int e = 0; e < D; e++) widen(worst, got[head * D + e], length > 0 ? o[e] / l : 0);
  }
  near(worst, 5e-5, "grouped " + type + ", " + std::to_string(N) + " heads over " + std::to_string(G) + " of " +
                        std::to_string(D) + ", " + std::to_string(T) + " rows, " + std::to_string(splits) + " splits, " +
                        std::to_string(stages) + " stages");
}

void grouped_cases() {
  const Step steps{7, {2, 0, 1, 0, 2, 0, -1}, {3, 0, 6, 1, 4, 2, 0}, {4, 1, 7, 2, 5, 3, 0}, {}};
  for (const char* type : {"f16", "bf16", "e4m3"}) {
    for (int stages = 1; stages <= 3; stages++) {
      grouped(Form::DECODE, type, {2, 7, 64}, decoding(16, {{1, 1}, {0, 401}, {-1, 0}, {2, 64}}), 3, stages);
      grouped(Form::PROMPT, type, {1, 5, 32}, prompts(16, {{0, 37}, {100, 20}, {370, 1}}, 64), 1, stages, 12);
      grouped(Form::BOTH, type, {2, 3, 16}, prompts(16, {{330, 1}, {0, 37}, {170, 1}}, 41), 4, stages, 21);
    }
    grouped(Form::DECODE, type, {2, 6, 128}, prompts(16, {{200, 3}, {130, 2}}, 6), 2, 2, 2);
    grouped(Form::DECODE, type, {1, 33, 48}, decoding(1, {{1, 100}, {0, 65}, {0, 66}, {2, 0}, {-1, 0}}));
    grouped(Form::DECODE, type, {3, 1, 80}, steps, 2, 2, 16);
    grouped(Form::PROMPT, type, {1, 8, 128}, prompts(64, {{0, 150}}, 150), 1, 2, 8);
    grouped(Form::PROMPT, type, {2, 1, 112}, prompts(16, {{0, 70}, {129, 70}}, 141), 3, 1, 64);
    grouped(Form::BOTH, type, {1, 65, 16}, steps, 1, 2, 1);
  }
}

void decoding_cases() {
  const Shape v2Lite{16, 128, 64, 128, 512}, demo{8, 32, 32, 32, 96};
  for (const char* type : {"f16", "bf16", "e4m3"}) {
    decode("decode", type, v2Lite, decoding(64, {{1, 1}, {0, 201}, {-1, 0}, {2, 64}}), 3);
    decode("decode", type, v2Lite, decoding(16, {{0, 40}}), 1, 1);
    decode("decode", type, demo, decoding(7, {{1, 160}, {0, 129}, {1, 161}}), 2, 5);
    decode("decode", type, {20, 0, 32, 0, 64}, decoding(1, {{1, 100}, {0, 65}, {0, 66}, {2, 0}, {-1, 0}}), 1, 1);
    decode("decode", type, {1, 0, 16, 0, 32}, decoding(16, {{1, 300}, {0, 31}}), 8, 3);
    decode("decode", type, {5, 0, 48, 0, 400}, decoding(7, {{1, 160}, {0, 9}, {1, 161}}), 2);
    decode("decode", type, {128, 0, 16, 0, 128}, decoding(16, {{0, 97}}), 2, 4);
  }
  for (const char* type : {"f32", "f16", "bf16", "e4m3"}) {
    decode("plain", type, {3, 0, 8, 0, 24}, decoding(16, {{1, 1}, {0, 201}, {-1, 0}, {2, 64}}));
    decode("plain", type, {2, 0, 2, 0, 5}, decoding(3, {{1, 33}, {0, 0}}));
  }
}

void prefill_cases() {
  for (const char* type : {"f32", "f16", "bf16", "e4m3"}) {
    prefill(type, {2, 32, 32, 32, 96}, prompts(16, {{0, 37}, {0, 20}, {70, 1}}, 64), 58);
    prefill(type, {3, 48, 16, 16, 32}, prompts(7, {{5, 17}, {50, 1}, {0, 146}}, 170), 164);
  }
  const Shape common{2, 128, 64, 128, 64}, wide{1, 192, 64, 256, 64}, small{3, 32, 16, 16, 32};
  prefill("f16", common, prompts(16, {{0, 150}, {0, 100}}, 251), 250);
  prefill("bf16", common, prompts(16, {{30, 70}, {0, 30}}, 101), 100, 1);
  prefill("f16", wide, prompts(16, {{0, 70}, {3, 30}}, 101), 100);
  prefill("f16", {1, 16, 16, 16, 32}, prompts(16, {{0, 1500}, {3, 600}}, 2200), 2100);

  Step interleaved{4, {2, 0, 1, 0, 2, 0, -1}, {3, 0, 6, 1, 4, 2, 0}, {4, 1, 7, 2, 5, 3, 0}, {}};
  prefill("f16", small, interleaved, 6);
  // A row that sees less than its own position has history alone, and so has one that sees more than the step holds.
  Step anyLength{4, {0, 0, 0, 0, 0}, {10, 11, 12, 13, 14}, {1, 15, 0, 4, 13}, {}};
  prefill("f16", small, anyLength, 2);
  Step gap{4, {0, 0, 0, 0, 0}, {10, 11, 12, 15, 16}, {16, 17, 1, 1, 8}, {}};
  prefill("f16", small, gap, 0);
}

}  // namespace

int main() {
  {
    Session session;
    decoding_cases();
    prefill_cases();
    grouped_cases();
  }
  return failures == 0 ? 0 : 1;
}
