// SPDX-License-Identifier: Apache-2.0
#include "registry/store_addresses.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "registry/endpoint.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestTable = 16 << 20;
constexpr std::string_view kMapped = "0000000000000000FFFF0000";  // of ::ffff:0:0/96

std::optional<std::uint32_t> hex(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Each group of eight digits is a word of the address in host byte order, as the kernel prints it.
std::optional<IpAddress> address_in(std::string_view text) {
  if (text.starts_with(kMapped)) text.remove_prefix(kMapped.size());
  std::vector<std::uint8_t> bytes;
  for (std::size_t at = 0; at < text.size(); at += 8) {
    const auto word = hex(text.substr(at, 8));
    if (!word) return std::nullopt;
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(*word >> shift));
  }
  return IpAddress::from_bytes(bytes);
}

// Parses "0501A8C0:094B", or the same of an IPv6 socket.
std::optional<IpEndpoint> remote_end(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto ip = address_in(text.substr(0, colon));
  const auto port = hex(text.substr(colon + 1));
  if (!ip || !port) return std::nullopt;
  return IpEndpoint{*ip, static_cast<std::uint16_t>(*port)};
}

// Returns the inode numbers of the sockets of this process.
std::vector<std::string> socket_inodes() {
  std::vector<std::string> inodes;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; at != end;
       at.increment(error)) {
    if (error) break;
    const std::string target = std::filesystem::read_symlink(at->path(), error).string();
    if (!error && target.starts_with("socket:[")) {
      inodes.push_back(target.substr(8, target.size() - 9));
    }
  }
  return inodes;
}

}  // namespace

std::vector<IpEndpoint> parse_connections(const std::string& table,
                                          const std::vector<std::string>& inodes) {
  std::vector<IpEndpoint> found;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retries, user, timeout, inode;
    if (!(words >> number >> local >> remote >> state >> queues >> timer >> retries >> user >>
          timeout >> inode)) {
      continue;
    }
    if (state != "01" && state != "02") continue;  // established, SYN sent
    if (std::ranges::find(inodes, inode) == inodes.end()) continue;
    if (const auto end = remote_end(remote)) found.push_back(*end);
  }
  return found;
}

const std::vector<std::string>& endpoints_of(const StoreOptions& options) {
  static const std::vector<std::string> none;
  switch (options.kind) {
    case StoreKind::etcd:
      return options.endpoints;
    case StoreKind::consul:
      return options.consul.endpoints;
    case StoreKind::sqlite:
    case StoreKind::memory:
      return none;
  }
  return none;
}

std::vector<IpAddress> store_addresses(const StoreOptions& options) {
  std::set<IpAddress> addresses;
  std::set<std::uint16_t> named;  // ports of endpoints that are names
  for (const std::string& url : endpoints_of(options)) {
    const auto endpoint = parse_endpoint(url, false);
    if (!endpoint || !endpoint->socket.empty()) continue;
    if (const auto ip = IpAddress::parse(endpoint->at.host)) {
      addresses.insert(*ip);
    } else {
      named.insert(endpoint->at.port);
    }
  }
  if (!named.empty()) {
    const std::vector<std::string> inodes = socket_inodes();
    for (const char* path : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
      const auto table = read_file(path, kLongestTable);
      if (!table) continue;
      for (const IpEndpoint& end : parse_connections(*table, inodes)) {
        if (named.contains(end.port)) addresses.insert(end.ip);
      }
    }
  }
  std::erase_if(addresses,
                [](const IpAddress& ip) { return ip.is_loopback() || ip.is_unspecified(); });
  return {addresses.begin(), addresses.end()};
}

}  // namespace flannel
