#include "tests/cuda_emulator/races.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <regex>
#include <string>
#include <tuple>

#include "cuda_emulator/kernel_side.h"
#include "tests/cuda_emulator/shared_memory.h"

namespace cuda_emulator {

thread_local bool t_in_kernel = false;

Races& races() {
  static Races& only = *new Races;
  return only;
}

// ---- Where a byte's record is -------------------------------------------------------------------

std::size_t Races::Range::offset(const void* pointer, std::size_t count) const {
  const std::size_t at = reinterpret_cast<std::uintptr_t>(pointer) - start;
  return at < bytes && count <= bytes - at ? at : bytes;
}

void Races::watch_device(const void* start, std::size_t bytes) {
  device_ = {reinterpret_cast<std::uintptr_t>(start), bytes};
}

void Races::watch_static(const void* start, std::size_t bytes) {
  static_ = {reinterpret_cast<std::uintptr_t>(start), bytes};
}

void Races::watch_dynamic(const void* start, std::size_t bytes) {
  dynamic_ = {reinterpret_cast<std::uintptr_t>(start), bytes};
  of_dynamic_.clear();
}

Races::Found Races::find(const void* start, std::size_t bytes) {
  if (const std::size_t at = device_.offset(start, bytes); at < device_.bytes) {
    if (of_device_ == nullptr) {
      // Pages that nobody uses take no memory.
      void* memory = mmap(nullptr, device_.bytes * sizeof(Byte), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) throw std::bad_alloc();
      of_device_ = static_cast<Byte*>(memory);
    }
    return {of_device_ + at, Space::device};
  }
  for (const auto& [range, records] :
       {std::tie(static_, of_static_), std::tie(dynamic_, of_dynamic_)}) {
    const std::size_t at = range.offset(start, bytes);
    if (at >= range.bytes) continue;
    if (records.empty()) records.resize(range.bytes);
    return {records.data() + at, Space::shared};
  }
  return {};
}

// ---- Who comes first ----------------------------------------------------------------------------

void Races::start_block() {
  ++now_.block;
  now_.barriers = 0;
  std::fill(std::begin(warp_barriers_), std::end(warp_barriers_), std::uint16_t{0});
}

inline bool Races::unordered(const Access& before, const Access& now, Space space) const {
  if (before.block < first_block_) return false;  // nobody, or an earlier launch
  if (before.by_blocks) return true;
  // Each block has shared memory of its own.
  if (before.block != now.block) return space == Space::device;
  if (before.copying) return true;
  if (before.barriers != now.barriers) return false;
  if (before.by_warps || before.thread / kWarp != now.thread / kWarp) return true;
  if (before.warp_barriers != now.warp_barriers) return false;
  return before.by_lanes || before.thread != now.thread;
}

inline Races::Access Races::merged(const Access& before, Access now, Space space) const {
  if (!unordered(before, now, space)) return now;
  if (before.by_blocks || before.block != now.block) {
    now.by_blocks = true;
  } else if (before.by_warps || before.thread / kWarp != now.thread / kWarp) {
    now.by_warps = true;
  } else {
    now.by_lanes = true;
  }
  return now;
}

inline void Races::check(const Access& before, const char* what_it_did, const Access& now,
                         Kind kind, Space space) {
  if (unordered(before, now, space)) report(before, what_it_did, now, kind, space);
}

inline void Races::note_byte(Kind kind, const Access& now, Space space, Byte& byte) {
  if (kind != Kind::copy_ends) {
    check(byte.written, "writes", now, kind, space);
    if (kind != Kind::atomic) check(byte.changed, "changes", now, kind, space);
    if (kind != Kind::read) check(byte.read, "reads", now, kind, space);
  }
  if (kind == Kind::read) {
    byte.read = merged(byte.read, now, space);
  } else if (kind == Kind::atomic) {
    byte.changed = merged(byte.changed, now, space);
  } else {
    byte.written = now;
  }
}

void Races::note(Kind kind, const void* start, std::size_t bytes, const void* place) {
  if (!watching_) return;
  const Found found = find(start, bytes);
  if (found.bytes == nullptr) return;
  Access now = now_;
  now.warp_barriers = warp_barriers_[now.thread / kWarp];
  now.place = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(place) - program_start());
  now.copying = kind == Kind::copy_begins;
  // Mostly all bytes of a number were used together before, and so have one story.
  const Byte before = *found.bytes;
  note_byte(kind, now, found.space, *found.bytes);
  for (Byte* byte = found.bytes + 1; byte != found.bytes + bytes; ++byte) {
    if (*byte == before) {
      *byte = *found.bytes;
    } else {
      note_byte(kind, now, found.space, *byte);
    }
  }
}

void note_atomic(const void* start, std::size_t bytes, const void* place) {
  races().note(Races::Kind::atomic, start, bytes, place);
}

// ---- Reports ------------------------------------------------------------------------------------

namespace {

/// "norm_parts.h:107, norm.cu:88": the line, and those it was inlined into; or the address.
std::string line_of(std::uint32_t place) {
  char command[64];
  // The instruction before the one that the watching call returns to.
  std::snprintf(command, sizeof command, "addr2line -s -i -e /proc/%d/exe 0x%x 2>/dev/null",
                static_cast<int>(getpid()), place - 1);
  std::string lines;
  if (FILE* pipe = popen(command, "r"); pipe != nullptr) {
    for (int next = 0; (next = std::fgetc(pipe)) != EOF;) lines += static_cast<char>(next);
    pclose(pipe);
  }
  if (lines.empty() || lines.front() == '?') return command;
  lines.pop_back();
  return std::regex_replace(
      std::regex_replace(lines, std::regex(" \\(discriminator [0-9]+\\)"), ""), std::regex("\n"),
      ", ");
}

const char* name_of(Races::Kind kind) {
  switch (kind) {
    case Races::Kind::read:
      return "reads";
    case Races::Kind::write:
      return "writes";
    case Races::Kind::atomic:
      return "changes";
    default:
      return "copies into";
  }
}

}  // namespace

void Races::report(const Access& before, const char* what_it_did, const Access& now, Kind kind,
                   Space space) {
  const bool other_block = before.by_blocks || before.block != now.block;
  // A member, as trap() does not come back to free anything.
  report_ = name_of(kind);
  report_ += space == Space::device ? " device memory" : " shared memory";
  report_ += " (" + line_of(now.place) + ") that ";
  report_ += other_block ? "another block" : "thread " + std::to_string(before.thread);
  report_ += std::string(" ") + (before.copying ? "is still copying into" : what_it_did);
  report_ += " (" + line_of(before.place) + "), and nothing says which is first";
  trap(report_.c_str());
}

}  // namespace cuda_emulator
