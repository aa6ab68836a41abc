// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/address.h"
#include "probe/paths.h"

namespace flannel {

// A device by which packets of the overlay come in, to an address of ours there.
struct ProbeDevice {
  std::string name;
  IpAddress own;
  auto operator<=>(const ProbeDevice&) const = default;
};

// Sends and receives probes. The real one is kernel/ports/probe_sockets.h. Loop thread only.
class ProbePort {
 public:
  struct Events {
    std::function<void(const ProbePaths::Arrival&)> on_arrival;
    // An ICMP echo to a host itself was answered.
    std::function<void(const IpAddress& from, std::uint64_t nonce)> on_underlay;
  };

  virtual ~ProbePort() = default;

  // Receives from these devices only. To be called again, with the same ones, about once a second:
  // a device may have been made anew, or may not have been there.
  virtual void listen(const std::vector<ProbeDevice>& devices) = 0;
  // What cannot be sent is lost, like what others lose.
  virtual void send(const ProbePaths::Outgoing& packet) = 0;
};

}  // namespace flannel
