// SPDX-License-Identifier: Apache-2.0
#include "filter/legacy_rules.h"

#include <netinet/in.h>  // before the kernel's own, which then leaves its names alone

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
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

// How the kernel's tables of one family are read. The two interfaces are the same but for these
// numbers.
struct Tables {
  // The kernel's list of tables. A request for a table that is not in it would make that table.
  const char* names;
  int domain, level;
  // In an entry, which is a rule: where it says how long it is, and where its packet counters are.
  std::size_t entry_size, next_offset, counters;
};

constexpr Tables kV4{.names = "/proc/thread-self/net/ip_tables_names",
                     .domain = AF_INET,
                     .level = IPPROTO_IP,
                     .entry_size = sizeof(ipt_entry),
                     .next_offset = offsetof(ipt_entry, next_offset),
                     .counters = offsetof(ipt_entry, counters)};
constexpr Tables kV6{.names = "/proc/thread-self/net/ip6_tables_names",
                     .domain = AF_INET6,
                     .level = IPPROTO_IPV6,
                     .entry_size = sizeof(ip6t_entry),
                     .next_offset = offsetof(ip6t_entry, next_offset),
                     .counters = offsetof(ip6t_entry, counters)};
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) && IPT_SO_GET_INFO == IP6T_SO_GET_INFO);
static_assert(sizeof(ipt_get_entries) == sizeof(ip6t_get_entries) &&
              IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES);

const Tables& tables_of(Family family) {
  return family == Family::v4 ? kV4 : kV6;
}

// FNV-1a is enough: an attacker gains nothing by two sets of rules with one fingerprint.
void mix(std::uint64_t& sum, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    sum = (sum ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3ULL;
}

Result<std::vector<std::byte>> read_entries(const Fd& socket, int level, const std::string& table) {
  ipt_getinfo info{};
  std::copy_n(table.data(), std::min(table.size(), sizeof info.name - 1), info.name);
  socklen_t length = sizeof info;
  if (::getsockopt(socket.get(), level, IPT_SO_GET_INFO, &info, &length) != 0) {
    return os_error("iptables-legacy: look at the table " + table);
  }
  std::vector<std::byte> buffer(sizeof(ipt_get_entries) + info.size);
  std::memcpy(buffer.data() + offsetof(ipt_get_entries, name), info.name, sizeof info.name);
  std::memcpy(buffer.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
  length = static_cast<socklen_t>(buffer.size());
  if (::getsockopt(socket.get(), level, IPT_SO_GET_ENTRIES, buffer.data(), &length) != 0) {
    return os_error("iptables-legacy: read the table " + table);
  }
  buffer.erase(buffer.begin(), buffer.begin() + sizeof(ipt_get_entries));
  return buffer;
}

// Adds every rule without its packet counters.
void mix_entries(std::uint64_t& sum, const Tables& tables, std::span<const std::byte> entries) {
  const std::size_t rest = tables.counters + sizeof(xt_counters);
  while (entries.size() >= tables.entry_size) {
    std::uint16_t next = 0;
    std::memcpy(&next, entries.data() + tables.next_offset, sizeof next);
    const std::size_t size = std::min<std::size_t>(next, entries.size());
    if (size < rest) return;
    mix(sum, entries.first(tables.counters));
    mix(sum, entries.subspan(rest, size - rest));
    entries = entries.subspan(size);
  }
}

}  // namespace

bool legacy_tables_exist(Family family) {
  const auto names = read_file(tables_of(family).names);
  return names && !names->empty();
}

Result<std::uint64_t> legacy_rules_fingerprint(Family family) {
  const Tables& tables = tables_of(family);
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  const auto names = read_file(tables.names);
  if (!names) return sum;  // a kernel without such tables
  const Fd socket{::socket(tables.domain, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return os_error("open a socket");
  for (const std::string table : {"raw", "mangle", "nat", "filter"}) {
    const auto there = split(*names, '\n');
    if (std::ranges::find(there, table) == there.end()) continue;
    mix(sum, std::as_bytes(std::span(table)));
    mix_entries(sum, tables, TRY(read_entries(socket, tables.level, table)));
  }
  return sum;
}

}  // namespace flannel
