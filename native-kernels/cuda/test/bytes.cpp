// What the kernels of a decode step move, against the fewest bytes that their work can take: each operand read once, each
// result written once. Shapes of V2-Lite. The simulator counts (YUZUI_CUDASIM_REPORT): `memory` is every 32 bytes that a
// launch touches, once, which is what a cache without limits leaves to the memory; `asked` is every access, which is what
// the caches must give. Fails where memory moves more than the bound of a row.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>

#include "launch.h"

namespace {

struct Row {
  std::string what;
  double fewest;
  double bound;
};
std::map<std::string, Row> rows;  // by kernel: each is launched once
std::vector<std::string> order;

template <class... A>
void counted(const std::string& kernel, const std::string& what, double fewest, double bound, Grid grid, unsigned block,
             size_t shared, A... arguments) {
  rows[kernel] = {what, fewest, bound};
  order.push_back(kernel);
  launch(kernel, grid, block, shared, arguments...);
}

Device<float> floats(size_t n) { return Device<float>(std::vector<float>(n, 0.25f)); }

struct Format {
  const char* name;
  int tileK, tile, chunk;
};
const Format FORMATS[] = {{"bf16", 32, 1024, 4}, {"fp8", 32, 512, 4},   {"q8_0", 32, 544, 4},  {"q5_0", 32, 352, 8},
                          {"q4_0", 32, 288, 8},  {"q4_k", 256, 2304, 8}, {"q5_k", 256, 2816, 8}, {"q6_k", 256, 3360, 8},
                          {"iq4_xs", 256, 2176, 8},
                          {"iq1_s", 256, 800, 8},    {"iq1_m", 256, 896, 8},   {"iq2_xxs", 256, 1056, 8}, {"iq2_xs", 256, 1184, 8},
                          {"iq2_s", 256, 1312, 8},   {"iq3_xxs", 256, 1568, 8}, {"iq3_s", 256, 1760, 8},  {"mxfp4", 32, 272, 8},
                          {"nvfp4", 64, 576, 8},     {"q2_0", 64, 288, 8},     {"tq2_0", 256, 1056, 8},
                          {"q2_k", 256, 1344, 8},    {"q3_k", 256, 1760, 8}};

size_t bytes_of(const Format& f, int n, int k) { return (size_t)blocks(n, 16) * blocks(k, f.tileK) * f.tile; }

size_t matvec_shared(const Format& f, int tokens, int k, int splits) {
  const int units = f.chunk * (int)blocks((int)blocks((int)blocks(k, 32), f.chunk), splits);
  return (size_t)tokens * (128 * units + 64) + 64 * units + 8192;
}

// The output projection of attention for one token, in every format.
void products() {
  const int n = 512, k = 2048;  // a quarter of the rows: the simulator is slow
  Device<float> x = floats(k), out(n);
  for (const Format& f : FORMATS) {
    const size_t bytes = bytes_of(f, n, k);
    Device<uint8_t> w(std::vector<uint8_t>(bytes + 4096, 0));
    counted(std::string("matvec_") + f.name, "512 × 2048, 1 token", (double)bytes + 4.0 * (k + n), 1.02,
            {blocks(n, 16), 1, 1}, 256, matvec_shared(f, 1, k, 1), w.at, NONE, NONE, NONE, x.at, k, 0, 0, out.at, n, 0, 0, 1, n,
            k, 1, NONE, NONE, 0, 0, 0, NONE, NONE, 1, 1);
  }
}

// Six of eight experts, gate and up in one launch; in F16, since a kernel is launched once here.
void experts() {
  const int n = 128, k = 2048, experts = 8, used = 6;
  const size_t bytes = (size_t)blocks(n, 16) * blocks(k, 32) * 1024;
  Device<uint8_t> gate(std::vector<uint8_t>(bytes * experts, 0)), up(std::vector<uint8_t>(bytes * experts, 0));
  std::vector<CUdeviceptr> g, u;
  for (int e = 0; e < experts; e++) {
    g.push_back(gate.at + bytes * e);
    u.push_back(up.at + bytes * e);
  }
  Device<CUdeviceptr> tableG(g), tableU(u);
  Device<int> offset(std::vector<int>{0, 1, 2, 2, 3, 4, 5, 5, 6}), slot(std::vector<int>{0, 1, 2, 3, 4, 5});
  Device<float> x = floats(k), out((size_t)used * n);
  const Format f16 = {"f16", 32, 1024, 4};
  counted("matvec_f16", "6 of 8 experts, 128 × 2048, gate and up", 2.0 * used * bytes + 4.0 * (k + used * n), 1.02,
          {blocks(n, 16), 1, used}, 256, matvec_shared(f16, 1, k, 1), NONE, NONE, tableG.at, tableU.at, x.at, k, 0, 0, out.at, n,
          0, 0, 1, n, k, 1, offset.at, slot.at, used, 0, experts, NONE, NONE, 1, 1);
  Device<float> y = floats((size_t)used * k), weights = floats(used), base = floats(k), sum(k);
  Device<int> place(std::vector<int>{0, 1, 2, 3, 4, 5});
  counted("combine", "6 experts' rows of 2048 and the shared one's", 4.0 * (used * k + 2 * k), 1.02, {1, 2, 1}, 256, 0, y.at,
          place.at, weights.at, base.at, sum.at, used, k);
}

void gate() {
  const int H = 2048, E = 64, K = 6;
  Device<float> x = floats(H), w = floats((size_t)E * H), logits(E), weights(K);
  Device<int> ids(K), sequence(std::vector<int>{0}), counter(std::vector<int>{0});
  counted("gate_f32", "64 × 2048, 1 token, 6 chosen", 4.0 * (H + (size_t)E * H + 2 * K), 1.02, {(unsigned)E, 1, 1}, 256,
          4 * (E + 1), x.at, w.at, NONE, H, E, K, 1, 1, 0, 0, 0, 1.0f, sequence.at, ids.at, weights.at, logits.at, counter.at, 1,
          NONE, NONE, NONE);
}

void rows_of_numbers() {
  const int H = 2048;
  Device<float> x = floats(H), y = floats(H), weight = floats(H), out(H);
  counted("add_rms_norm", "2048 numbers", 4.0 * 5 * H, 1.02, {1, 1, 1}, 256, 0, x.at, y.at, weight.at, 1e-6f, out.at, H);
  const int K = 6;
  Device<float> experts = floats((size_t)K * H), weights = floats(K);
  Device<int> place(std::vector<int>{0, 1, 2, 3, 4, 5});
  counted("combine_add_rms_norm", "6 experts' rows of 2048", 4.0 * (K + 6) * H, 1.02, {1, 1, 1}, 512, 0, experts.at, place.at, weights.at, y.at,
          y.at, K, H, x.at, weight.at, 1e-6f, out.at);
  const int V = 102400;
  Device<float> logits = floats(V), value(1);
  const unsigned parts = blocks(V, 4096);
  Device<unsigned long long> best(parts);
  Device<int> id(1), counter(std::vector<int>{0});
  counted("argmax", "102400 logits", 4.0 * V, 1.02, {parts, 1, 1}, 256, 0, logits.at, V, id.at, value.at, best.at, counter.at);
}

// 4096 cached entries, 16 heads.
void attention() {
  const int N = 16, Lkv = 512, R = 64, length = 4096, page = 64, splits = 16, stages = 2;
  Device<uint16_t> entries(std::vector<uint16_t>((size_t)length * (Lkv + R), 0x2c00));
  std::vector<int> table(length / page);
  for (size_t i = 0; i < table.size(); i++) table[i] = (int)(i * 37 % table.size());
  Device<int> pages(table), sequence(std::vector<int>{0}), kvLength(std::vector<int>{length});
  Device<float> q = floats((size_t)N * (Lkv + R)), out((size_t)N * Lkv), partial((size_t)N * splits * (Lkv + 2));
  const double q_bytes = 4.0 * N * (Lkv + R), out_bytes = 4.0 * N * Lkv;
  counted("mla_decode_f16", "4096 entries of 576, 16 heads, 16 parts", 2.0 * length * (Lkv + R) + q_bytes + out_bytes, 1.15,
          {1, splits, 1}, 256, (size_t)stages * 32 * 2 * (Lkv + R + 8) + 19392, q.at, Lkv + R, q.at + 4 * Lkv,
          N * (Lkv + R), Lkv + R, entries.at, page, pages.at, length / page, sequence.at, kvLength.at, N, Lkv, R, 0.1f, out.at, NONE, partial.at, splits, 2, stages, NONE, NONE);
  counted("mla_combine", "16 parts of 16 heads", 4.0 * N * splits * (Lkv + 2) + out_bytes, 1.05, {(unsigned)N, 1, 4}, 256, 0,
          partial.at, sequence.at, kvLength.at, N, Lkv, splits, 2, out.at, NONE, NONE);
}

// 4096 cached entries of 2 heads, 14 heads that read them.
void grouped() {
  const int N = 14, G = 2, D = 128, length = 4096, page = 64, splits = 16, stages = 2;
  Device<uint16_t> entries(std::vector<uint16_t>((size_t)length * 2 * G * D, 0x2c00));
  std::vector<int> table(length / page);
  for (size_t i = 0; i < table.size(); i++) table[i] = (int)(i * 37 % table.size());
  Device<int> pages(table), sequence(std::vector<int>{0}), kvLength(std::vector<int>{length});
  Device<float> q = floats((size_t)N * D), out((size_t)N * D), partial((size_t)N * splits * (D + 2));
  const double parts = 4.0 * N * splits * (D + 2), numbers = 4.0 * N * D;
  counted("attend_decode_f16", "4096 entries of 2 heads, 14 heads, 16 parts", 2.0 * length * 2 * G * D + numbers + parts, 1.05,
          {(unsigned)G, splits, 1}, 128, (size_t)stages * 64 * 2 * (2 * D + 8) + 32 * D, q.at, entries.at, page, pages.at,
          length / page, sequence.at, kvLength.at, 1, N, G, D, 0.1f, out.at, partial.at, 1, N / G, 0, splits, 1, stages);
  counted("attend_combine", "16 parts of 14 heads", parts + numbers, 1.05, {(unsigned)N, 1, 1}, 128, 0, partial.at, N, D, splits,
          out.at);
}

// 64 rows: a batch, or a short prompt.
void many_rows() {
  const int T = 64, n = 256, k = 1024;
  Device<float> x = floats((size_t)T * k), scale(T), out((size_t)T * n);
  Device<uint16_t> xh((size_t)T * k);
  counted("to_half", "64 × 1024", 6.0 * T * k + 4.0 * T, 1.02, {(unsigned)T, 1, 1}, 256, 0, x.at, k, 0, 0, k, 1, T, xh.at,
          scale.at);
  const struct {
    const char* name;
    int tile, slot;
  } formats[] = {{"q4_k", 2304, 16}, {"iq2_xxs", 1056, 8}, {"iq3_s", 1760, 13}};
  for (const auto& f : formats) {
    const size_t bytes = (size_t)blocks(n, 16) * blocks(k, 256) * f.tile;
    Device<uint8_t> w(std::vector<uint8_t>(bytes, 0));
    counted(std::string("gemm_") + f.name + "_small", "256 × 1024, 64 tokens", (double)bytes + 2.0 * T * k + 4.0 * T * (n + 1),
            1.02, {blocks(n, 64), 1, 1}, 128, 4 * 128 * (64 + f.slot) + 4 * 64 + 16 * 64, w.at, NONE, xh.at, scale.at, T, out.at, 0,
            n, 0, 0, T, n, k, 1, NONE, NONE, 0, 0, 0, NONE, NONE, NONE, 1);
  }
  Device<float> router = floats((size_t)n * k);
  counted("matmul_f32_tiled", "256 × 1024, 64 tokens", 4.0 * (n * k + T * k + T * n), 1.02, {blocks(n, 64), 1, 1}, 128, 0,
          router.at, x.at, k, out.at, n, T, n, k, NONE, NONE, 1);
}

// A tile of a prompt on 9.0.
void prompts() {
  const int T = 128, n = 256, k = 1024;
  Device<float> x = floats((size_t)T * k), scale(T), out((size_t)T * n);
  Device<uint16_t> xh((size_t)T * k);
  counted("rows_to_half", "128 × 1024", 6.0 * T * k + 4.0 * T, 1.02, {(unsigned)T, 1, 1}, 256, 0, x.at, k, 0, 0, k, 1, T, xh.at,
          scale.at);
  for (const Format& f : FORMATS) {
    if (std::string("bf16 fp8 q8_0 q5_0 q4_0 q4_k q5_k q6_k iq4_xs").find(f.name) == std::string::npos) continue;
    const size_t bytes = bytes_of(f, n, k), stage = 16 * f.tile * (f.tileK == 32 ? 2 : 1), x_stage = 16 << 10;
    const size_t stages = f.tileK == 32 ? std::min<size_t>(5, (225 << 10) / (x_stage + stage)) : 5;
    Device<uint8_t> w(std::vector<uint8_t>(bytes + 4096, 0));
    counted(std::string("gemm_") + f.name + "_wgmma", "256 × 1024, 128 tokens", (double)bytes + 2.0 * T * k + 4.0 * T * (n + 1),
            1.02, {1, 1, 1}, 384, 1024 + stages * x_stage + (f.tileK == 32 ? stages : 2) * stage, w.at, NONE, xh.at, scale.at, T,
            out.at, 0, n, 0, 0, T, n, k, 1, NONE, NONE, 0, 0, 0, NONE);
  }
}

int tell(const char* file) {
  FILE* in = std::fopen(file, "r");
  if (in == nullptr) die(std::string("no report at ") + file);
  std::map<std::string, std::map<std::string, double>> counts;
  char line[1000];
  while (std::fgets(line, sizeof line, in)) {
    std::istringstream fields(line);
    std::string kind, kernel, name;
    double value;
    if (fields >> kind >> kernel && kind == "kernel") {
      while (fields >> name >> value) counts[kernel][name] = value;
    }
  }
  std::fclose(in);
  int bad = 0;
  std::printf("%-18s %-44s %12s %12s %8s %8s\n", "kernel", "work", "fewest", "memory", "ratio", "asked");
  for (const std::string& kernel : order) {
    const Row& row = rows[kernel];
    auto& c = counts[kernel];
    if (c["launches"] != 1) die(kernel + " was not counted once");
    const double memory = c["distinctRead"] + c["distinctWritten"], asked = c["read"] + c["written"];
    const bool over = memory > row.bound * row.fewest;
    bad += over;
    std::printf("%-18s %-44s %12.0f %12.0f %8.3f %8.2f%s\n", kernel.c_str(), row.what.c_str(), row.fewest, memory,
                memory / row.fewest, asked / row.fewest, over ? "  more than its bound" : "");
  }
  return bad;
}

void work() {
  Session session;
  products();
  experts();
  gate();
  rows_of_numbers();
  attention();
  grouped();
  many_rows();
  prompts();
}

}  // namespace

// The report is written when the process ends: a child works, the parent reads.
int main() {
  const std::string file = "/tmp/yuzui-bytes-" + std::to_string(getpid());
  setenv("YUZUI_CUDASIM_REPORT", file.c_str(), 1);
  int channel[2];
  if (pipe(channel) != 0) die("pipe");
  const pid_t child = fork();
  if (child == 0) {
    work();
    FILE* to = fdopen(channel[1], "w");
    for (const std::string& kernel : order) {
      std::fprintf(to, "%s\t%.17g\t%.17g\t%s\n", kernel.c_str(), rows[kernel].fewest, rows[kernel].bound,
                   rows[kernel].what.c_str());
    }
    std::fclose(to);
    std::exit(failures == 0 ? 0 : 1);
  }
  close(channel[1]);
  FILE* from = fdopen(channel[0], "r");
  char line[1000];
  while (std::fgets(line, sizeof line, from)) {
    line[std::strcspn(line, "\n")] = 0;
    std::istringstream fields(line);
    std::string kernel, fewest, bound, what;
    std::getline(fields, kernel, '\t');
    std::getline(fields, fewest, '\t');
    std::getline(fields, bound, '\t');
    std::getline(fields, what);
    order.push_back(kernel);
    rows[kernel] = {what, std::stod(fewest), std::stod(bound)};
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) die("the kernels did not run");
  const int bad = tell(file.c_str());
  unlink(file.c_str());
  return bad == 0 ? 0 : 1;
}
