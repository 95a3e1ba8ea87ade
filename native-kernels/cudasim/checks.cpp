// Checks of every access that kernels make: g++'s -fsanitize=kernel-address turns each into a call of the functions
// below, and -fsanitize=alignment calls the handler at the end for one that is not aligned.

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "machine.h"

#define HOOK extern "C" __attribute__((visibility("hidden"), noinline))

namespace yuzui_sim {

namespace {

struct Window {
  uintptr_t base = 0;
  size_t space = 0;
  const uint16_t* shadow = nullptr;
};
Window window;
bool active = false;

// A static variable of a kernel's source, as g++ passes it: those that are not constant are shared memory. Redzones
// follow it.
struct Global {
  uintptr_t address;
  size_t bytes, bytesWithRedzone;
  const char* name;
  const char* module;
  uintptr_t dynamic, location, indicator;
};
struct Shared {
  uintptr_t address;
  size_t bytes;
};
// Called before any constructor has run.
std::vector<Global>& globals() {
  static auto* all = new std::vector<Global>;
  return *all;
}
std::vector<Shared> sharedVariables;
// For each 8 bytes of the library whether they are a redzone.
std::vector<bool> redzones;
uint64_t readBytes, writtenBytes;
uintptr_t libraryBase, libraryBytes;

constexpr size_t SECTOR = 32;
struct Sectors {
  uint64_t* bits = nullptr;
  size_t capacity = 0;
  uint64_t count = 0;
  std::vector<size_t> words;
};
Sectors readSectors, writtenSectors;
bool counting = false;

void find_library() {
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void*) {
        uintptr_t here = reinterpret_cast<uintptr_t>(&active), low = UINTPTR_MAX, high = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& h = info->dlpi_phdr[i];
          if (h.p_type != PT_LOAD) continue;
          low = std::min<uintptr_t>(low, info->dlpi_addr + h.p_vaddr);
          high = std::max<uintptr_t>(high, info->dlpi_addr + h.p_vaddr + h.p_memsz);
        }
        if (here < low || here >= high) return 0;
        libraryBase = low;
        libraryBytes = high - low;
        return 1;
      },
      nullptr);
}

// Sections that the program may write.
bool is_writable(uintptr_t address) {
  struct Query {
    uintptr_t address;
    bool writable;
  } query{address, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        Query& q = *static_cast<Query*>(data);
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& h = info->dlpi_phdr[i];
          uintptr_t low = info->dlpi_addr + h.p_vaddr;
          if (h.p_type == PT_LOAD && q.address - low < h.p_memsz) q.writable = h.p_flags & PF_W;
        }
        // Constants with addresses in them lie in a part that is read-only once the library is loaded.
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& h = info->dlpi_phdr[i];
          if (h.p_type == PT_GNU_RELRO && q.address - (info->dlpi_addr + h.p_vaddr) < h.p_memsz) q.writable = false;
        }
        return 0;
      },
      &query);
  return query.writable;
}

void find_globals() {
  redzones.assign(libraryBytes / 8 + 8, false);
  for (const Global& g : globals()) {
    uintptr_t end = g.address + g.bytesWithRedzone;
    for (uintptr_t at = (g.address + g.bytes + 7) / 8 * 8; at < end; at += 8) redzones[(at - libraryBase) / 8] = true;
    bool registration = std::strncmp(g.name, "registered_", 11) == 0;
    bool compilers = g.name[0] == '*' || g.name[0] == '.';
    if (!registration && !compilers && is_writable(g.address)) sharedVariables.push_back({g.address, g.bytes});
  }
}

// Where in the sources, if addr2line can tell.
std::string source(void* pc) {
  Dl_info info;
  if (!dladdr(pc, &info)) return "";
  char command[600];
  std::snprintf(command, sizeof command, "addr2line -Cipe '%s' 0x%zx 2>/dev/null", info.dli_fname,
                reinterpret_cast<uintptr_t>(pc) - 1 - reinterpret_cast<uintptr_t>(info.dli_fbase));
  FILE* pipe = popen(command, "r");
  if (pipe == nullptr) return "";
  std::string line;
  char part[400];
  while (std::fgets(part, sizeof part, pipe)) {
    part[std::strcspn(part, "\n")] = 0;
    if (part[0] != '?') line += (line.empty() ? " at " : ",") + std::string(part);
  }
  pclose(pipe);
  return line;
}

__attribute__((noinline)) void refuse(uintptr_t address, size_t bytes, bool write, void* pc) {
  char text[300];
  std::string where;
  for (size_t d = 0; d < machine().memory.size(); d++) {
    const DeviceMemory& memory = *machine().memory[d];
    if (!memory.owns(address)) continue;
    where = "device " + std::to_string(d) + ": " + memory.nearest(address);
    if (memory.valid(address, bytes)) where += ", to which peer access is not enabled";
  }
  if (where.empty()) {
    where = address - libraryBase < libraryBytes ? "outside a variable of shared memory or a table of constants"
            : address - local.shared < MAX_SHARED
                ? "shared memory: " + std::to_string(local.sharedBytes) + " bytes were launched"
                : "host memory, or no memory";
  }
  std::snprintf(text, sizeof text, "%s of %zu bytes at address 0x%zx (%s)", write ? "write" : "read", bytes, address,
                where.c_str());
  fail(ERROR_ILLEGAL_ADDRESS, text + source(pc));
}

// Other devices' memory and mapped host memory; anything else is refused.
__attribute__((noinline)) void check_rare(uintptr_t address, size_t bytes, bool write, void* pc) {
  if (!active || bytes == 0) return;
  for (size_t d = 0; d < machine().memory.size(); d++) {
    if ((machine().reachable >> d & 1) && machine().memory[d]->valid(address, bytes)) {
      (write ? writtenBytes : readBytes) += bytes;
      return;
    }
  }
  for (const HostRange& range : machine().mapped) {
    if (address - range.address < range.bytes && bytes <= range.bytes - (address - range.address)) return;
  }
  refuse(address, bytes, write, pc);
}

// Marks the 32-byte sectors of an access on the launch's device.
void count_sectors(uintptr_t offset, size_t bytes, bool write) {
  Sectors& sectors = write ? writtenSectors : readSectors;
  for (size_t s = offset / SECTOR; s <= (offset + bytes - 1) / SECTOR; s++) {
    uint64_t bit = uint64_t(1) << (s % 64);
    if (sectors.bits[s / 64] & bit) continue;
    if (sectors.bits[s / 64] == 0) sectors.words.push_back(s / 64);
    sectors.bits[s / 64] |= bit;
    sectors.count++;
  }
}

void open_sectors(Sectors& sectors, size_t space) {
  sectors.count = 0;
  if (sectors.capacity >= space) return;
  if (sectors.bits != nullptr) munmap(sectors.bits, sectors.capacity / SECTOR / 8 + 64);
  void* p = mmap(nullptr, space / SECTOR / 8 + 64, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  sectors.bits = p == MAP_FAILED ? nullptr : static_cast<uint64_t*>(p);
  sectors.capacity = sectors.bits == nullptr ? 0 : space;
  if (sectors.bits == nullptr) machine().countDistinct = false;
}

uint64_t close_sectors(Sectors& sectors) {
  for (size_t word : sectors.words) sectors.bits[word] = 0;
  sectors.words.clear();
  return sectors.count * SECTOR;
}

inline bool inside(uintptr_t offset, size_t bytes, size_t size) { return offset < size && bytes <= size - offset; }

inline __attribute__((always_inline)) void check(uintptr_t address, size_t bytes, bool write, void* pc) {
  uintptr_t offset = address - window.base;
  if (offset < window.space) {
    if (__builtin_expect(offset % DeviceMemory::GRANULE + bytes <= window.shadow[offset / DeviceMemory::GRANULE], 1)) {
      (write ? writtenBytes : readBytes) += bytes;
      if (__builtin_expect(write && local.early, 0)) {
        fail(ERROR_LAUNCH_FAILED, "writes before previous_done(), and was launched programmatically" + source(pc));
      }
      if (__builtin_expect(counting, 0)) count_sectors(offset, bytes, write);
      return;
    }
  } else if (inside(address - local.stack, bytes, local.stackBytes) ||
             inside(address - local.shared, bytes, local.sharedBytes) ||
             (inside(address - libraryBase, bytes, libraryBytes) && !redzones[(address - libraryBase) / 8] &&
              !redzones[(address - libraryBase + bytes - 1) / 8])) {
    return;
  }
  check_rare(address, bytes, write, pc);
}

}  // namespace

void begin_checks(int device) {
  if (libraryBytes == 0) {
    find_library();
    find_globals();
  }
  const DeviceMemory& memory = *machine().memory[device];
  window = {memory.base(), memory.space(), memory.shadow()};
  readBytes = writtenBytes = 0;
  counting = false;
  if (machine().countDistinct) {
    open_sectors(readSectors, memory.space());
    open_sectors(writtenSectors, memory.space());
    counting = machine().countDistinct;
  }
  active = true;
}

void end_checks(Counters& counters) {
  active = false;
  window = {};
  counters.read += readBytes;
  counters.written += writtenBytes;
  if (counting) {
    counters.distinctRead += close_sectors(readSectors);
    counters.distinctWritten += close_sectors(writtenSectors);
  }
}

void spoil_shared_variables() {
  for (const Shared& s : sharedVariables) std::memset(reinterpret_cast<void*>(s.address), 0xff, s.bytes);
}

void check_access(const void* address, size_t bytes, bool write) {
  check(reinterpret_cast<uintptr_t>(address), bytes, write, __builtin_return_address(0));
}

}  // namespace yuzui_sim

using yuzui_sim::check;

#define HOOKS(bytes)                                                                                                  \
  HOOK void __asan_load##bytes##_noabort(uintptr_t a) { check(a, bytes, false, __builtin_return_address(0)); }        \
  HOOK void __asan_store##bytes##_noabort(uintptr_t a) { check(a, bytes, true, __builtin_return_address(0)); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
HOOK void __asan_loadN_noabort(uintptr_t a, size_t n) { check(a, n, false, __builtin_return_address(0)); }
HOOK void __asan_storeN_noabort(uintptr_t a, size_t n) { check(a, n, true, __builtin_return_address(0)); }
HOOK void __asan_register_globals(const yuzui_sim::Global* first, size_t count) {
  yuzui_sim::globals().insert(yuzui_sim::globals().end(), first, first + count);
}
HOOK void __asan_unregister_globals(const void*, size_t) {}
HOOK void __asan_handle_no_return() {}
HOOK void __asan_before_dynamic_init(const void*) {}
HOOK void __asan_after_dynamic_init() {}

// What -fsanitize=alignment passes: the place in the sources and the type.
struct Mismatch {
  const char* file;
  uint32_t line, column;
  const void* type;
  unsigned char logAlignment;
  unsigned char kind;
};
HOOK void __ubsan_handle_type_mismatch_v1(Mismatch* m, uintptr_t address) {
  if (!yuzui_sim::active) return;
  yuzui_sim::fail(yuzui_sim::ERROR_MISALIGNED_ADDRESS,
                  "access at address " + std::to_string(address) + " that is no multiple of " +
                      std::to_string(1u << m->logAlignment) + " at " + m->file + ":" + std::to_string(m->line));
}
