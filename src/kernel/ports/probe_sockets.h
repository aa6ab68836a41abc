// SPDX-License-Identifier: Apache-2.0
// The sockets of probes. They receive by packet(7), before any rule of the packet filter and
// whether or not the kernel has the address: containers' packets are forwarded, so rules for the
// host's own packets must not decide. They send through the kernel's routing, as containers do.
#pragma once

#include <map>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "loop/loop.h"
#include "probe/port.h"

namespace flannel {

class ProbeSockets final : public ProbePort {
 public:
  // Needs CAP_NET_RAW, also later. `loop` must outlive the object.
  static Result<std::unique_ptr<ProbeSockets>> open(Loop& loop, Events events);

  void listen(const std::vector<ProbeDevice>& devices) override;
  void send(const ProbePaths::Outgoing& packet) override;

 private:
  struct Ear {
    int interface_index = 0;
    Fd socket;
    SubscriptionPtr watch;  // ends before the socket
  };
  struct Underlay {
    Fd socket;
    SubscriptionPtr watch;
  };

  ProbeSockets(Loop& loop, Events events) : loop_(loop), events_(std::move(events)) {}

  Result<void> open_senders(Family family);
  Result<Ear> open_ear(const ProbeDevice& device, int index);
  void hold_ports(const std::vector<ProbeDevice>& devices);
  bool send_ordinary(const ProbePaths::Outgoing& packet) const;
  void read(const std::string& device, const Fd& socket);
  void read_underlay(Family family, const Fd& socket);

  Loop& loop_;
  Events events_;
  std::map<Family, Fd> senders_;
  std::map<Family, Underlay> underlay_;
  std::map<ProbeDevice, Ear> ears_;
  // Our UDP port at the addresses that the kernel has: nobody reads them. Without them the kernel
  // would answer a probe with "port unreachable". They send ordinary datagrams.
  std::map<IpAddress, Fd> held_;
};

}  // namespace flannel
