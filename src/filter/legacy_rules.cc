// SPDX-License-Identifier: Apache-2.0
#include "filter/legacy_rules.h"

#include <netinet/in.h>  // before the kernel's own, which then leaves its names alone

#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"

namespace flannel {
namespace {

// The kernel's list of tables. A request for a table that is not in it would make that table.
constexpr const char* kNames = "/proc/thread-self/net/ip_tables_names";

// FNV-1a is enough: an attacker gains nothing by two sets of rules with one fingerprint.
void mix(std::uint64_t& sum, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    sum = (sum ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3ULL;
}

Result<std::vector<std::byte>> read_entries(const Fd& socket, const std::string& table) {
  ipt_getinfo info{};
  std::copy_n(table.data(), std::min(table.size(), sizeof info.name - 1), info.name);
  socklen_t length = sizeof info;
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &length) != 0) {
    return os_error("iptables-legacy: look at the table " + table);
  }
  std::vector<std::byte> buffer(sizeof(ipt_get_entries) + info.size);
  std::memcpy(buffer.data() + offsetof(ipt_get_entries, name), info.name, sizeof info.name);
  std::memcpy(buffer.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
  length = static_cast<socklen_t>(buffer.size());
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, buffer.data(), &length) != 0) {
    return os_error("iptables-legacy: read the table " + table);
  }
  buffer.erase(buffer.begin(), buffer.begin() + sizeof(ipt_get_entries));
  return buffer;
}

// Adds every rule without its packet counters.
void mix_entries(std::uint64_t& sum, std::span<const std::byte> entries) {
  constexpr std::size_t kCounters = offsetof(ipt_entry, counters);
  constexpr std::size_t kRest = kCounters + sizeof(xt_counters);
  while (entries.size() >= sizeof(ipt_entry)) {
    ipt_entry entry;
    std::memcpy(&entry, entries.data(), sizeof entry);
    const std::size_t size = std::min<std::size_t>(entry.next_offset, entries.size());
    if (size < kRest) return;
    mix(sum, entries.first(kCounters));
    mix(sum, entries.subspan(kRest, size - kRest));
    entries = entries.subspan(size);
  }
}

}  // namespace

bool legacy_tables_exist() {
  const auto names = read_file(kNames);
  return names && !names->empty();
}

Result<std::uint64_t> legacy_rules_fingerprint() {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  const auto names = read_file(kNames);
  if (!names) return sum;  // a kernel without such tables
  const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return os_error("open a socket");
  for (const std::string table : {"raw", "nat", "filter"}) {
    const auto there = split(*names, '\n');
    if (std::ranges::find(there, table) == there.end()) continue;
    mix(sum, std::as_bytes(std::span(table)));
    mix_entries(sum, TRY(read_entries(socket, table)));
  }
  return sum;
}

}  // namespace flannel
