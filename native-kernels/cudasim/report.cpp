// The environment's options, and what is told at exit.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "driver.h"

namespace yuzui_sim {

namespace {

uint64_t number(const char* name, uint64_t otherwise, uint64_t least, uint64_t most) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return otherwise;
  char* end;
  uint64_t value = std::strtoull(text, &end, 10);
  if (*end != 0 || value < least || value > most) {
    std::fprintf(stderr, "cudasim: %s is \"%s\"; expected a number from %zu to %zu; using %zu\n", name, text,
                 (size_t)least,
                 (size_t)most, (size_t)otherwise);
    return otherwise;
  }
  return value;
}

}  // namespace

Options read_options() {
  Options options;
  options.devices = (int)number("YUZUI_CUDASIM_DEVICES", 1, 0, MAX_DEVICES);
  options.memory = number("YUZUI_CUDASIM_MEMORY", size_t(4) << 30, 1 << 20, size_t(1) << 40);
  options.driver = (int)number("YUZUI_CUDASIM_DRIVER", 13000, 11000, 99999);
  options.refuseEarly = number("YUZUI_CUDASIM_REFUSE_EARLY", 0, 0, 1) != 0;
  if (const char* text = std::getenv("YUZUI_CUDASIM_CAPABILITY"); text != nullptr && *text != 0) {
    unsigned major, minor;
    if (std::sscanf(text, "%u.%u", &major, &minor) == 2 && major < 100 && minor < 10) {
      options.capability = (int)(10 * major + minor);
    } else {
      std::fprintf(stderr, "cudasim: YUZUI_CUDASIM_CAPABILITY is \"%s\"; expected one such as \"8.6\"\n", text);
    }
  }
  if (const char* text = std::getenv("YUZUI_CUDASIM_FAIL"); text != nullptr && *text != 0) {
    unsigned device, launch, code;
    int read = std::sscanf(text, "device=%u,launch=%u,code=%u", &device, &launch, &code);
    if (read >= 2) {
      options.failDevice = (int)device;
      options.failLaunch = launch;
      if (read == 3) options.failCode = (int)code;
    } else {
      std::fprintf(stderr, "cudasim: YUZUI_CUDASIM_FAIL is \"%s\"; expected \"device=D,launch=N\" or \"device=D,launch=N,code=C\"\n",
                   text);
    }
  }
  if (const char* text = std::getenv("YUZUI_CUDASIM_REPORT")) options.report = text;
  return options;
}

std::string describe_allocation(int device, uintptr_t address, const Allocation& allocation) {
  char text[160];
  std::snprintf(text, sizeof text, "allocation of %zu bytes at 0x%zx on device %d", allocation.bytes, address, device);
  return text;
}

void report_at_exit() {
  Driver& d = driver();
  std::vector<std::string> leaks = d.leaks;
  for (size_t i = 0; i < machine().memory.size(); i++) {
    for (auto& [address, allocation] : machine().memory[i]->live()) {
      leaks.push_back(describe_allocation((int)i, address, allocation));
    }
  }
  for (auto& [address, range] : d.pinned) {
    leaks.push_back("pinned host memory of " + std::to_string(range.bytes) + " bytes" +
                    (range.allocated ? "" : " (registered)"));
  }
  for (auto& [handle, object] : d.objects) {
    if (!dynamic_cast<Function*>(object.get())) leaks.push_back(object->kind());
  }
  uint64_t launches = 0;
  size_t peak = 0;
  for (auto& [name, counters] : d.counters) launches += counters.launches;
  for (const DeviceMemory* memory : machine().memory) peak = std::max(peak, memory->peak());
  constexpr size_t TOLD = 50;
  for (size_t i = 0; i < leaks.size() && i < TOLD; i++) std::fprintf(stderr, "cudasim: leak: %s\n", leaks[i].c_str());
  if (leaks.size() > TOLD) std::fprintf(stderr, "cudasim: leak: and %zu more\n", leaks.size() - TOLD);
  if (!leaks.empty()) {
    std::fprintf(stderr, "cudasim: %zu leaks, %zu launches, at most %zu bytes of a device used\n", leaks.size(),
                 (size_t)launches, peak);
  }
  if (d.options.report.empty()) return;
  FILE* file = std::fopen(d.options.report.c_str(), "w");
  if (file == nullptr) {
    std::fprintf(stderr, "cudasim: cannot write %s\n", d.options.report.c_str());
    return;
  }
  // One line each, fields between tabs.
  for (auto& leak : leaks) std::fprintf(file, "leak\t%s\n", leak.c_str());
  for (size_t i = 0; i < machine().memory.size(); i++) {
    std::fprintf(file, "device\t%zu\tlaunches\t%zu\tpeakBytes\t%zu\n", i, (size_t)d.launches[i],
        machine().memory[i]->peak());
  }
  for (auto& [name, c] : d.counters) {
    std::fprintf(file, "kernel\t%s\tlaunches\t%zu\tread\t%zu\twritten\t%zu\tdistinctRead\t%zu\tdistinctWritten\t%zu\n",
                 name.c_str(), (size_t)c.launches, (size_t)c.read, (size_t)c.written, (size_t)c.distinctRead,
                 (size_t)c.distinctWritten);
  }
  std::fclose(file);
}

}  // namespace yuzui_sim
