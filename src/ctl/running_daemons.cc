// SPDX-License-Identifier: Apache-2.0
#include "ctl/running_daemons.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

// Empty: it cannot be seen, or the process has ended.
std::string network_namespace(const std::filesystem::path& process) {
  std::error_code unseen;
  return std::filesystem::read_symlink(process / "ns/net", unseen).string();
}

bool is_flanneld(const std::filesystem::path& process) {
  const auto name = read_file(process / "comm", 64);
  return name && trim(*name) == "flanneld";
}

}  // namespace

Result<std::vector<int>> running_daemons(const std::filesystem::path& proc) {
  std::vector<int> found;
  const std::string own = network_namespace(proc / "self");
  if (own.empty()) {
    return fail(ErrorKind::unavailable, "whether a flanneld runs here cannot be seen: " +
                                            proc.string() + " does not show this process");
  }
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(proc, failed)) {
    const auto pid = parse_decimal<std::uint32_t>(entry.path().filename().string());
    if (pid && is_flanneld(entry.path()) && network_namespace(entry.path()) == own) {
      found.push_back(static_cast<int>(*pid));
    }
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace flannel
