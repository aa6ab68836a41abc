// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/objects/linux_kernel.h"
#include "loop/loop.h"
#include "plan/kernel.h"

namespace flannel {

// Listens to the kernel's notifications for changes that other processes make to our objects and
// to the underlay. Loop thread only.
//
// Most notifications name the socket that made the change; the kernel does not queue those of our
// own request socket. Notifications of FDB entries, of devices and of IPv6 addresses, and the
// second one of a deleted neighbour, name no socket: the monitor compares them with what the
// LinuxKernel wrote last. If that does not decide it, the change counts as foreign.
class Monitor {
 public:
  // None of these may destroy the monitor.
  struct Events {
    // Another process changed, removed or added one of our objects: "route 10.5.2.0/24 deleted".
    std::function<void(const std::string& what)> on_foreign_change;
    // The kernel dropped notifications; anything may have changed.
    std::function<void()> on_lost;
    // The underlay interface was added or removed, or its name, MTU, state, carrier or
    // addresses changed (IPv6: without link-local ones); or a default route was added or removed.
    // Also called if the interface has its old state or address again, because the kernel dropped
    // routes meanwhile without a notification.
    std::function<void()> on_underlay_change;
    // A foreign setting that packets of the overlay depend on changed: the forwarding of a
    // device, the check of sources (rp_filter) of the underlay, or another program's route inside
    // of our network.
    std::function<void()> on_host_change = [] {};
  };
  struct Options {
    int receive_buffer = 8 << 20;  // bytes; holds 20,000 changes of other programs
  };

  // `loop` and `kernel` outlive the monitor. The events may be called from the first turn on.
  static Result<std::unique_ptr<Monitor>> open(Loop& loop, LinuxKernel& kernel, Events events,
                                               Options options);
  static Result<std::unique_ptr<Monitor>> open(Loop& loop, LinuxKernel& kernel, Events events) {
    return open(loop, kernel, std::move(events), Options{});
  }

  // Sets the objects to watch. Call it after the LinuxKernel has read the same scope. The underlay
  // is identified by its index, and by its name once no device has that index. An empty name: there
  // is no underlay.
  Result<void> watch(Scope scope, LowerDevice underlay);

 private:
  struct UnderlayState {
    int index = 0;  // 0: there is none
    std::string name;
    std::uint32_t mtu = 0;
    bool up = false;
    bool carrier = false;
    std::vector<std::tuple<IpAddress, std::uint8_t, bool>> addresses;  // bits, usable; sorted
    bool operator==(const UnderlayState&) const = default;
  };

  Monitor(Loop& loop, Fd fd, NetlinkSocket questions, LinuxKernel& kernel, Events events);

  void on_readable();
  void on_message(const NetlinkMessage& message);
  void on_link(const NetlinkMessage& message);
  void on_address(const NetlinkMessage& message);
  void on_route(const NetlinkMessage& message);
  void on_setting(const NetlinkMessage& message);
  void on_rp_filter(int link);
  void on_nexthop(const NetlinkMessage& message);
  void on_neighbour(const NetlinkMessage& message);
  void on_fdb(const NetlinkMessage& message);
  void on_policy(const NetlinkMessage& message);
  void foreign(std::string what);
  bool is_our_link(int index) const;

  Result<void> watch_policies();
  void refresh();
  Result<void> refresh_filter();
  Result<UnderlayState> read_underlay();

  Loop& loop_;
  Fd fd_;
  Fd policies_;  // of IPsec have notifications of their own; closed: none was desired yet
  NetlinkSocket questions_;
  LinuxKernel& kernel_;
  Events events_;
  Scope scope_;
  LowerDevice underlay_device_;
  UnderlayState underlay_;
  std::vector<int> filtered_links_;
  std::vector<IpPrefix> filtered_networks_;
  std::vector<std::byte> buffer_;
  // A notification sets them; refresh() handles them once the queue is empty, so that only the
  // last state of a burst counts.
  bool links_suspect_ = false;
  bool underlay_suspect_ = false;
  bool underlay_bounced_ = false;  // was down, absent or without an address
  SubscriptionPtr watch_, watch_policies_;
};

}  // namespace flannel
