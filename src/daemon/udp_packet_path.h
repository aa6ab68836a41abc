// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/packet_path.h"
#include "dataplane/udp_path.h"
#include "kernel/tun.h"
#include "kernel/udp_port.h"
#include "loop/loop.h"

namespace flannel {

// The packet path over a real TUN device and real sockets. A device that others delete is made
// again.
class UdpPacketPath final : public PacketPath {
 public:
  struct Parts {
    Loop& loop;
    // The device was made again, or cannot be: trouble() answers differently.
    std::function<void()> on_state;
  };

  // Opens device and sockets; no packet is carried before the first table.
  static Result<std::unique_ptr<UdpPacketPath>> open(PacketPathSettings settings, Parts parts);
  ~UdpPacketPath() override;

  const std::string& device() const override { return device_; }
  void publish(std::shared_ptr<const ForwardTable> table) override;
  const std::string& trouble() const override { return trouble_; }
  PathCounters counters() const override;

 private:
  UdpPacketPath(PacketPathSettings settings, Parts parts);

  Result<void> open_edges(const std::string& device);
  void start();
  void gone();
  void try_again();
  void set_trouble(std::string text);

  PacketPathSettings settings_;
  Parts parts_;
  std::string device_;
  std::string trouble_;
  std::vector<UdpPath::Lane> lanes_;  // until the first table comes
  std::shared_ptr<const ForwardTable> table_;
  std::unique_ptr<UdpPath> path_;
  SubscriptionPtr retry_;
  // Packet threads post to the loop; what arrives after our end finds this gone.
  std::shared_ptr<UdpPacketPath*> self_;
};

}  // namespace flannel
