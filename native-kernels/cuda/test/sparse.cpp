// What attention of a DeepSeek-V3.2 layer takes from memory for one token, behind more and more others: 64 index heads of 128, 2,048
// entries that are chosen, 128 heads, a cache of F16. Counted as in bytes.cpp: every 32 bytes that a launch touches, once. What grows
// with the depth must be the indexer's keys, 256 bytes each, and their scores, 8; attention over what is chosen must not. Depths may
// be given.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <sstream>

#include "launch.h"

namespace {

constexpr int HI = 64, I = 128, MOST = 2048, N = 128, LKV = 512, R = 64, PAGE = 64, SPLITS = 8, STAGES = 2;

const char* const KERNELS[] = {"index_scores_f16", "index_choose", "mla_decode_f16", "mla_combine"};

uint16_t half(float v) {  // of normal numbers, cut off
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  return (uint16_t)((bits >> 16 & 0x8000) | ((((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023)) & 0x7fff));
}

void step(int depth) {
  Session session;
  std::mt19937 random(depth);
  std::uniform_real_distribution<float> number(0.1f, 1.0f);
  const auto signed_number = [&] { return random() % 2 ? number(random) : -number(random); };
  std::vector<uint16_t> keys((size_t)depth * I);
  for (auto& k : keys) k = half(signed_number());
  std::vector<float> query(HI * I), weight(HI);
  for (auto& v : query) v = signed_number();
  for (auto& v : weight) v = signed_number();
  std::vector<int> table(depth / PAGE);
  for (size_t i = 0; i < table.size(); i++) table[i] = (int)(i * 37 % table.size());

  Device<uint16_t> index(keys), entries(std::vector<uint16_t>((size_t)depth * (LKV + R), 0x2c00));
  Device<float> q(query), weights(weight), scores(depth);
  Device<int> pages(table), sequence(std::vector<int>{0}), kvLength(std::vector<int>{depth});
  Device<int> rows(MOST), sequences(1), counts(1);
  const size_t tile = (64 * (I + 1) + 3) / 4 * 4 + 16 * I;
  if (depth > MOST) {
    launch("index_scores_f16", {blocks(depth, 64), 1, 1}, 256, 4 * tile, q.at, weights.at, index.at, PAGE, pages.at, depth / PAGE,
           sequence.at, kvLength.at, 0, MOST, HI, I, 1 / std::sqrt((float)(HI * I)), scores.at, depth);
  }
  launch("index_choose", {1, 1, 1}, 1024, 0, scores.at, depth, pages.at, depth / PAGE, PAGE, sequence.at, kvLength.at, 0, MOST,
         rows.at, sequences.at, counts.at);
  if (counts.read()[0] != MOST) die("not as many entries were chosen as there are to choose");

  Device<float> absorbed(std::vector<float>((size_t)N * (LKV + R), 0.25f)), out((size_t)N * LKV);
  Device<float> partial((size_t)N * SPLITS * (LKV + 2));
  launch("mla_decode_f16", {blocks(N, 16), SPLITS, 1}, 256, (size_t)STAGES * 32 * 2 * (LKV + R + 8) + 19392, absorbed.at, LKV + R,
         absorbed.at + 4 * LKV, N * (LKV + R), LKV + R, entries.at,
         1, rows.at, MOST, sequences.at, counts.at, N, LKV, R, 0.1f, out.at, NONE, partial.at, SPLITS, 2, STAGES, NONE, NONE);
  launch("mla_combine", {(unsigned)N, 1, 4}, 256, 0, partial.at, sequences.at, counts.at, N, LKV, SPLITS, 2, out.at, NONE, NONE);
}

std::map<std::string, double> counted(const char* file) {
  FILE* in = std::fopen(file, "r");
  if (in == nullptr) die(std::string("no report at ") + file);
  std::map<std::string, double> bytes;
  char line[1000];
  while (std::fgets(line, sizeof line, in)) {
    std::istringstream fields(line);
    std::string kind, kernel, name;
    double value;
    if (fields >> kind >> kernel && kind == "kernel") {
      while (fields >> name >> value) {
        if (name == "distinctRead" || name == "distinctWritten") bytes[kernel] += value;
      }
    }
  }
  std::fclose(in);
  return bytes;
}

// A process each: the report is written when it ends.
std::map<std::string, double> measure(int depth) {
  const std::string file = "/tmp/yuzui-sparse-" + std::to_string(getpid());
  setenv("YUZUI_CUDASIM_REPORT", file.c_str(), 1);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    step(depth);
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) die("the kernels did not run");
  auto bytes = counted(file.c_str());
  unlink(file.c_str());
  return bytes;
}

}  // namespace

int main(int count, char** given) {
  std::vector<int> depths;
  for (int i = 1; i < count; i++) depths.push_back(std::atoi(given[i]) / PAGE * PAGE);
  if (depths.empty()) depths = {2048, 8192, 16384};
  std::printf("%-8s", "depth");
  for (const char* kernel : KERNELS) std::printf(" %16s", kernel);
  std::printf(" %12s %14s %16s\n", "all", "more per token", "V3, its entries");
  int bad = 0;
  double allBefore = 0, attentionBefore = 0;
  for (size_t d = 0; d < depths.size(); d++) {
    auto bytes = measure(depths[d]);
    double all = 0;
    std::printf("%-8d", depths[d]);
    for (const char* kernel : KERNELS) {
      std::printf(" %16.0f", bytes[kernel]);
      all += bytes[kernel];
    }
    const double attention = bytes["mla_decode_f16"] + bytes["mla_combine"];
    std::printf(" %12.0f", all);
    if (d > 0 && depths[d - 1] > MOST) {
      const double more = (all - allBefore) / (depths[d] - depths[d - 1]);
      const bool over = more > 1.01 * (2 * I + 2 * 4) || std::fabs(attention - attentionBefore) > 0.01 * attention;
      bad += over;
      std::printf(" %14.1f %16.0f%s\n", more, 2.0 * depths[d] * (LKV + R), over ? "  more than the indexer's keys" : "");
    } else {
      std::printf(" %14s %16.0f\n", "", 2.0 * depths[d] * (LKV + R));
    }
    allBefore = all;
    attentionBefore = attention;
  }
  return bad == 0 ? 0 : 1;
}
