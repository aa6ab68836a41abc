// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/stale_tun.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <set>

#include "kernel/netlink/rtnetlink.h"
#include "kernel/ports/tun.h"
#include "kernel/ports/tun_queue.h"

namespace flannel {
namespace {

TunFacts decode_tun(NetlinkBytes payload) {
  const auto header = take_header<ifinfomsg>(payload);
  if (!header) return {};
  TunFacts facts{.index = header->ifi_index};
  const NetlinkAttributes<IFLA_LINKINFO> attributes(payload);
  const NetlinkAttributes<IFLA_INFO_MAX> info(attributes.at(IFLA_LINKINFO));
  if (info.text(IFLA_INFO_KIND) != "tun") return facts;
  const NetlinkAttributes<IFLA_TUN_MAX> tun(info.at(IFLA_INFO_DATA));
  const auto flag = [&](std::size_t type) {
    return tun.number<std::uint8_t>(type).value_or(0) != 0;
  };
  facts.is_tun = tun.number<std::uint8_t>(IFLA_TUN_TYPE) == IFF_TUN;
  facts.persistent = flag(IFLA_TUN_PERSIST);
  facts.multi_queue = flag(IFLA_TUN_MULTI_QUEUE);
  facts.queues = tun.number<std::uint32_t>(IFLA_TUN_NUM_QUEUES).value_or(0);
  return facts;
}

}  // namespace

Result<std::optional<TunFacts>> read_tun(NetlinkSocket& socket, const std::string& name) {
  NetlinkBatch request;
  get_link(request, name);
  const auto reply = socket.ask(request);
  if (!reply && reply.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!reply) return tl::unexpected(reply.error());
  const auto message = reply->messages().next();
  if (!message) return std::nullopt;
  return decode_tun(message->payload);
}

Result<AddressIn> find_address(NetlinkSocket& socket, const TunFacts& device,
                               std::span<const IpPrefix> networks) {
  NetlinkBatch request;
  dump_addresses(request, 0);
  const auto reply = TRY(socket.dump(request));
  auto found = AddressIn::nowhere;
  NetlinkReader messages = reply.messages();
  while (const auto message = messages.next()) {
    const auto row = decode_address(message->payload);
    // The kernel gives every device a link-local IPv6 address.
    if (!row || row->link != device.index || row->ip.is_link_local()) continue;
    const auto has_it = [&](const IpPrefix& network) { return network.contains(row->ip); };
    if (std::ranges::any_of(networks, has_it)) return AddressIn::network;
    found = AddressIn::elsewhere;
  }
  return found;
}

Result<void> remove_stale_tun(const std::string& name, const TunFacts& device) {
  const unsigned flags = IFF_TUN | IFF_NO_PI | (device.multi_queue ? IFF_MULTI_QUEUE : 0u);
  const Fd queue = TRY(attach_tun_queue(name, flags));
  if (::ioctl(queue.get(), TUNSETPERSIST, 0UL) != 0) return os_error("make " + name + " temporary");
  return {};  // the device is removed when this queue is closed
}

Result<std::vector<std::string>> left_tuns(NetlinkSocket& socket,
                                           std::span<const IpPrefix> networks, bool holds_queues) {
  std::vector<std::string> left;
  for (int number = 0; number < kMostTunDevices; ++number) {
    std::string name = "flannel" + std::to_string(number);
    const auto device = TRY(read_tun(socket, name));
    if (!device || !device->is_tun || !(holds_queues || device->may_be_stale())) continue;
    const auto address = TRY(find_address(socket, *device, networks));
    if (address == AddressIn::network) left.push_back(std::move(name));
  }
  return left;
}

Result<std::vector<std::string>> tuns_in_the_way(std::span<const IpAddress> addresses) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  std::set<int> ways;
  for (const IpAddress address : addresses) {
    NetlinkBatch request;
    get_path(request, address);
    const auto row = ask_row(socket, request, decode_route);
    if (row && *row) ways.insert((*row)->link);  // without a route no device is in the way
  }
  std::vector<std::string> names;
  for (int number = 0; !ways.empty() && number < kMostTunDevices; ++number) {
    std::string name = "flannel" + std::to_string(number);
    const auto device = TRY(read_tun(socket, name));
    if (device && device->is_tun && ways.contains(device->index)) names.push_back(std::move(name));
  }
  return names;
}

Result<bool> remove_if_stale(const std::string& name) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const auto device = TRY(read_tun(socket, name));
  if (!device || !device->may_be_stale()) return false;
  // Only an attempt to attach shows whether a process has a device with a single queue open.
  auto removed = remove_stale_tun(name, *device);
  if (!removed && removed.error().kind == ErrorKind::exists) return false;
  if (!removed) return tl::unexpected(std::move(removed).error());
  return true;
}

}  // namespace flannel
