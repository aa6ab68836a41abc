// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/checksum_offload.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

#include "base/fd.h"

namespace flannel {
namespace {

// Returns the answer of the kernel, or what was given.
Result<std::uint32_t> call_ethtool(const std::string& device, std::uint32_t command,
                                   std::uint32_t data, const std::string& what) {
  if (device.size() >= IFNAMSIZ) return fail(ErrorKind::not_found, what + ": no such device");
  const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return os_error(what);
  ethtool_value value{.cmd = command, .data = data};
  ifreq request{};
  std::ranges::copy(device, request.ifr_name);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return os_error(what);
  return value.data;
}

}  // namespace

Result<bool> offloads_checksums(const std::string& device) {
  return TRY(call_ethtool(device, ETHTOOL_GTXCSUM, 0,
                          "ask who fills in the checksums of packets by " + device)) != 0;
}

Result<void> set_checksum_offload(const std::string& device, bool on) {
  const std::string what =
      fmt::format("switch the checksum offload of {} {}", device, on ? "on" : "off");
  TRY(call_ethtool(device, ETHTOOL_STXCSUM, on ? 1 : 0, what));
  return {};
}

}  // namespace flannel
