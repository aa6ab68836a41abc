// SPDX-License-Identifier: Apache-2.0
#include "daemon/read_host_clock.h"

#include <sys/timex.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

std::string first_line(const std::string& path) {
  const auto text = read_file(path);
  return text ? std::string(trim(*text)) : std::string();
}

bool kernel_is_synchronized() {
  timex state{};  // no modes: nothing is set
  const int clock = ::adjtimex(&state);
  return clock >= 0 && clock != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

bool agrees_with_hardware(const std::string& folder, sys_seconds wall) {
  std::error_code ignored;
  for (const auto& device : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string path = device.path().string();
    if (first_line(path + "/hctosys") != "1") continue;
    const auto time = parse_decimal<std::uint32_t>(first_line(path + "/since_epoch"));
    if (!time) continue;
    const auto apart = wall - sys_seconds(seconds(*time));
    if (apart < kClockError && -apart < kClockError) return true;
  }
  return false;
}

}  // namespace

HostClock read_host_clock(const ClockSources& sources) {
  HostClock clock{.boot = first_line(sources.boot_id),
                  .since_boot = BootClock::now(),
                  .wall = std::chrono::floor<seconds>(std::chrono::system_clock::now())};
  std::error_code ignored;
  clock.by_server = (sources.ask_kernel && kernel_is_synchronized()) ||
                    std::filesystem::exists(sources.synchronized, ignored);
  clock.by_hardware = agrees_with_hardware(sources.hardware_clocks, clock.wall);
  return clock;
}

}  // namespace flannel
