// SPDX-License-Identifier: Apache-2.0
#include "kernel/monitor/monitor.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "kernel/monitor/monitor_filter.h"
#include "kernel/netlink/notifications.h"
#include "kernel/netlink/xfrm_messages.h"

namespace flannel {
namespace {

// The kernel accepts the groups of IPv6 without having IPv6.
constexpr auto kGroups = std::to_array<int>(
    {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
     RTNLGRP_NEIGH, RTNLGRP_NEXTHOP, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF});

// Bytes; holds some thousand changes of other programs.
constexpr int kPolicyBuffer = 2 << 20;

Result<void> join_groups(const Fd& fd) {
  for (const int group : kGroups) {
    if (join_netlink_group(fd, group)) continue;
    // Kernels before 5.3 have no next-hop objects and no such group.
    if (group != RTNLGRP_NEXTHOP) return os_error("netlink: listen to changes");
  }
  return {};
}

bool is_deletion(const NetlinkMessage& message) {
  return message.type == RTM_DELADDR || message.type == RTM_DELROUTE ||
         message.type == RTM_DELNEIGH || message.type == RTM_DELNEXTHOP;
}

const char* verb(const NetlinkMessage& message) {
  return is_deletion(message) ? "deleted" : "changed";
}

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::open(Loop& loop, LinuxKernel& kernel, Events events,
                                               Options options) {
  Fd fd = TRY(open_netlink(NETLINK_ROUTE, SOCK_NONBLOCK, options.receive_buffer));
  auto questions = TRY(NetlinkSocket::open());
  std::unique_ptr<Monitor> monitor(
      new Monitor(loop, std::move(fd), std::move(questions), kernel, std::move(events)));
  // The filter is set first, because it does not remove notifications that are already queued.
  TRY(filter_notifications(monitor->fd_, kernel.port(), {}, {}));
  TRY(join_groups(monitor->fd_));
  monitor->watch_ = TRY(loop.watch_fd(
      monitor->fd_.get(), EPOLLIN, [self = monitor.get()](std::uint32_t) { self->on_readable(); }));
  return monitor;
}

Monitor::Monitor(Loop& loop, Fd fd, NetlinkSocket questions, LinuxKernel& kernel, Events events)
    : loop_(loop),
      fd_(std::move(fd)),
      questions_(std::move(questions)),
      kernel_(kernel),
      events_(std::move(events)),
      buffer_(64 << 10) {}

Result<void> Monitor::watch(Scope scope, LowerDevice underlay) {
  scope_ = std::move(scope);
  underlay_device_ = std::move(underlay);
  underlay_ = TRY(read_underlay());
  auto refreshed = refresh_filter();
  if (scope_.has_policies && !policies_) TRY(watch_policies());
  return refreshed;
}

Result<void> Monitor::watch_policies() {
  Fd socket = TRY(open_netlink(NETLINK_XFRM, SOCK_NONBLOCK, kPolicyBuffer));
  if (!join_netlink_group(socket, XFRMNLGRP_POLICY)) return os_error("netlink: listen to IPsec");
  watch_policies_ = TRY(loop_.watch_fd(socket.get(), EPOLLIN, [this](std::uint32_t) {
    read_notifications(
        policies_, buffer_, [this](const NetlinkMessage& message) { on_policy(message); },
        events_.on_lost);
  }));
  policies_ = std::move(socket);
  return {};
}

void Monitor::on_readable() {
  const bool queue_empty = read_notifications(
      fd_, buffer_, [this](const NetlinkMessage& message) { on_message(message); },
      [this] {
        links_suspect_ = underlay_suspect_ = true;
        events_.on_lost();
      });
  if (queue_empty) refresh();
}

void Monitor::on_message(const NetlinkMessage& message) {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return on_link(message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return on_address(message);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return on_route(message);
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return on_nexthop(message);
    case RTM_NEWNETCONF:
      return on_setting(message);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      on_neighbour(message);
      return on_fdb(message);
    default:
      return;
  }
}

void Monitor::on_link(const NetlinkMessage& message) {
  const auto row = decode_link(message.payload);
  if (!row) return;
  const bool has_our_name = scope_.has_link(row->name);  // also after a rename
  if (has_our_name || is_our_link(row->index)) links_suspect_ = true;
  if (row->name != underlay_device_.name && row->index != underlay_.index) return;
  underlay_suspect_ = true;
  if (message.type == RTM_DELLINK || !row->up) underlay_bounced_ = true;
}

void Monitor::on_address(const NetlinkMessage& message) {
  const auto row = decode_address(message.payload);
  if (!row) return;
  if (row->link == underlay_.index) {
    underlay_suspect_ = true;
    if (is_deletion(message)) underlay_bounced_ = true;
  }
  if (!is_our_link(row->link) || !scope_.contains(row->ip)) return;
  if (kernel_.last_written().has_address(row->link, row->ip) != is_deletion(message)) return;
  foreign(fmt::format("address {}/{} {}", to_string(row->ip), row->bits, verb(message)));
}

void Monitor::on_route(const NetlinkMessage& message) {
  const auto row = decode_route(message.payload);
  if (!row || row->table != RT_TABLE_MAIN) return;
  if (row->to.bits == 0) underlay_suspect_ = underlay_bounced_ = true;
  const bool is_marked =
      row->protocol == kRouteProtocol && (is_our_link(row->link) || scope_.contains(row->to));
  // The kernel adds this route for the address of the udp device.
  const bool is_kernels_own =
      message.type == RTM_NEWROUTE && row->protocol == RTPROT_KERNEL && is_our_link(row->link);
  const bool is_to_network = scope_.is_network(row->to) && !is_kernels_own;
  // A route of upstream flannel does not have our protocol (plan/kernel.h, Scope).
  const bool is_upstreams = scope_.is_own_subnet(row->to) && is_our_link(row->link);
  const bool is_ours = is_marked || is_to_network || is_upstreams;
  if (!is_ours && !kernel_.last_written().routes.has(row->to)) {
    // Routes inside of our own subnet lead to containers of this host.
    const bool is_containers = std::ranges::any_of(scope_.own_subnets, [&](const IpPrefix& own) {
      return own.contains(row->to) && row->to != own;
    });
    const bool is_inside = scope_.contains(row->to) && !scope_.is_network(row->to);
    if (is_inside && !is_containers) events_.on_host_change();
    return;
  }
  foreign(fmt::format("route {} {}", to_string(row->to), verb(message)));
}

// A new device is announced with all of its settings; a changed setting is announced alone.
void Monitor::on_setting(const NetlinkMessage& message) {
  NetlinkBytes payload = message.payload;
  if (!take_header<std::array<char, NLMSG_ALIGN(sizeof(netconfmsg))>>(payload)) return;
  const NetlinkAttributes<NETCONFA_PROXY_NEIGH> settings(payload);
  if (settings.has(NETCONFA_PROXY_NEIGH)) return;
  if (settings.has(NETCONFA_FORWARDING)) events_.on_host_change();
  if (settings.has(NETCONFA_RP_FILTER)) {
    on_rp_filter(settings.number<std::int32_t>(NETCONFA_IFINDEX).value_or(0));
  }
}

// Programs set it for every new device, most of which are containers'.
void Monitor::on_rp_filter(int link) {
  const bool is_of_all = link == NETCONFA_IFINDEX_ALL;
  if (is_of_all || link == underlay_.index) events_.on_host_change();
  if (is_of_all || is_our_link(link)) foreign("rp_filter changed");
}

// The kernel deletes the routes of a deleted next-hop object without notifications of their own.
void Monitor::on_nexthop(const NetlinkMessage& message) {
  const auto row = decode_nexthop(message.payload);
  if (!row || !kernel_.last_written().routes.owns(row->id)) return;
  foreign(fmt::format("next hop {} {}", row->id, verb(message)));
}

void Monitor::on_neighbour(const NetlinkMessage& message) {
  const auto row = decode_neighbour(message.payload);
  if (!row || !is_our_link(row->link)) return;
  const auto written = kernel_.last_written().mac(row->link, row->ip);
  const bool is_permanent = !is_deletion(message) && (row->state & NUD_PERMANENT) != 0;
  if (!written && (!scope_.has_family(row->ip.family) || row->ip.is_link_local())) return;
  const bool unchanged = written ? is_permanent && row->mac == *written : !is_permanent;
  if (!unchanged) foreign(fmt::format("neighbour {} {}", to_string(row->ip), verb(message)));
}

void Monitor::on_fdb(const NetlinkMessage& message) {
  const auto row = decode_fdb(message.payload);
  if (!row || !is_our_link(row->link) || !row->remote) return;
  const bool there = !is_deletion(message) && (row->state & NUD_PERMANENT) != 0;
  const bool written = kernel_.last_written().remote(row->link, row->mac) == row->remote;
  if (there != written) foreign(fmt::format("FDB entry {} {}", to_string(row->mac), verb(message)));
}

// One that does not say its addresses is a flush, or the end of a policy that was named by a
// number.
void Monitor::on_policy(const NetlinkMessage& message) {
  if (message.port == kernel_.policies_port()) return;
  const bool is_flush = message.type == XFRM_MSG_FLUSHPOLICY;
  const auto changed = is_flush ? std::nullopt : decode_changed_policy(message.payload);
  if (!changed) return foreign("IPsec policies deleted");
  if (!scope_.contains(changed->second)) return;
  foreign(fmt::format("IPsec policy from {} to {} {}", to_string(changed->first),
                      to_string(changed->second),
                      message.type == XFRM_MSG_DELPOLICY ? "deleted" : "changed"));
}

void Monitor::foreign(std::string what) {
  log::verbose(4, "foreign change", {{"what", what}});
  events_.on_foreign_change(what);
}

bool Monitor::is_our_link(int index) const {
  return std::ranges::any_of(kernel_.last_written().links,
                             [index](const auto& link) { return link.second.index == index; });
}

void Monitor::refresh() {
  if (std::exchange(links_suspect_, false)) {
    for (const std::string& name : scope_.link_names) {
      if (!kernel_.unchanged_since_write(name)) foreign("device " + name + " changed");
    }
    if (const auto done = refresh_filter(); !done) {
      log::warning("watching the kernel", {{"why", done.error().text}});
    }
  }
  if (std::exchange(underlay_suspect_, false)) {
    const bool bounced = std::exchange(underlay_bounced_, false);
    auto now = read_underlay();
    // On a read error report a change anyway: the listener reads again and handles the error.
    if (now && *now == underlay_ && !bounced) return;
    underlay_ = now ? *std::move(now) : UnderlayState{};
    events_.on_underlay_change();
  }
}

Result<void> Monitor::refresh_filter() {
  std::vector<int> links;
  for (const auto& [name, row] : kernel_.last_written().links)
    links.push_back(row.index);
  if (links == filtered_links_ && scope_.networks == filtered_networks_) return {};
  TRY(filter_notifications(fd_, kernel_.port(), links, scope_.networks));
  filtered_links_ = std::move(links);
  filtered_networks_ = scope_.networks;
  return {};
}

Result<Monitor::UnderlayState> Monitor::read_underlay() {
  UnderlayState state;
  if (underlay_device_.name.empty()) return state;
  Devices devices(questions_);
  const std::string name = TRY(devices.name_of(underlay_device_.index));
  const LinkRow* row = TRY(devices.find(name.empty() ? underlay_device_.name : name));
  if (!row) return state;
  state.index = row->index;
  state.name = row->name;
  state.carrier = row->carrier;
  state.mtu = row->mtu;
  state.up = row->up;
  NetlinkBatch request;
  dump_addresses(request, row->index);
  const auto addresses = TRY(dump_rows(questions_, request, decode_address));
  for (const AddressRow& address : addresses) {
    if (address.link != row->index) continue;
    // Until the test for a double has succeeded, IPv6 does not use the address.
    const bool usable = (address.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    state.addresses.emplace_back(address.ip, address.bits, usable);
  }
  std::ranges::sort(state.addresses);
  return state;
}

}  // namespace flannel
