// SPDX-License-Identifier: Apache-2.0
#include "ctl/running_daemons.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

constexpr int kNetAdmin = 12;  // CAP_NET_ADMIN of capability.h

// Returns the namespace of a process; empty: it cannot be read, or the process has ended.
std::string namespace_of(const std::filesystem::path& process, const char* kind) {
  std::error_code unseen;
  return std::filesystem::read_symlink(process / "ns" / kind, unseen).string();
}

// Returns "value" of the line "Name:\tvalue ..." in the status of a process.
std::string_view status_word(std::string_view status, std::string_view name) {
  for (const std::string_view line : split(status, '\n')) {
    if (!line.starts_with(name)) continue;
    const std::string_view value = trim(line.substr(name.size()));
    return value.substr(0, value.find_first_of(" \t"));
  }
  return {};
}

// Any user can give a process that name, and can have all capabilities in a user namespace.
bool could_be_flanneld(const std::filesystem::path& proc, const std::filesystem::path& process) {
  const auto status = read_file(process / "status", 16 << 10);
  if (!status) return false;  // it has ended
  const auto user = parse_decimal<std::uint32_t>(status_word(*status, "Uid:"));
  if (user && (*user == 0 || *user == ::geteuid())) return true;
  const std::string capabilities(status_word(*status, "CapEff:"));
  return (std::strtoull(capabilities.c_str(), nullptr, 16) >> kNetAdmin & 1) != 0 &&
         namespace_of(process, "user") == namespace_of(proc / "self", "user");
}

bool is_flanneld(const std::filesystem::path& process) {
  const auto name = read_file(process / "comm", 64);
  return name && trim(*name) == "flanneld";
}

}  // namespace

Result<std::vector<int>> running_daemons(const std::filesystem::path& proc) {
  std::vector<int> found;
  const std::string own = namespace_of(proc / "self", "net");
  if (own.empty()) {
    return fail(ErrorKind::unavailable, "whether a flanneld runs here cannot be seen: " +
                                            proc.string() + " does not show this process");
  }
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(proc, failed)) {
    const auto pid = parse_decimal<std::uint32_t>(entry.path().filename().string());
    if (pid && is_flanneld(entry.path()) && namespace_of(entry.path(), "net") == own &&
        could_be_flanneld(proc, entry.path())) {
      found.push_back(static_cast<int>(*pid));
    }
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace flannel
