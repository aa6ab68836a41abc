// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/packet_path.h"
#include "dataplane/udp_path.h"
#include "kernel/ports/tun.h"
#include "kernel/ports/udp_port.h"
#include "loop/loop.h"

namespace flannel {

// Queues of a device that nobody asked a number of: with few CPUs one is best (two threads carry as
// much as the containers' own stacks leave them); each needs a CPU for each direction, and as much
// again for those it serves.
int queues_for(unsigned cpus);

// The packet path over a real TUN device and real sockets. A device that others delete is made
// again; threads that cannot be started are tried again every second.
class UdpPacketPath final : public PacketPath {
 public:
  struct Parts {
    Loop& loop;
    // The device was made again, or cannot be, or has no threads: trouble() answers differently.
    std::function<void()> on_state;
    // Queues and sockets that an earlier run left open under a name, and leaving ours for the
    // next one.
    std::function<std::vector<Fd>(std::string_view name)> take_kept;
    std::function<void(std::string_view name, std::span<const Fd>)> keep;
  };
  static constexpr std::string_view kQueues = "udp-queues";
  static constexpr std::string_view kSockets = "udp-sockets";

  // Opens device and sockets; no packet is carried before the first table.
  static Result<std::unique_ptr<UdpPacketPath>> open(PacketPathSettings settings, Parts parts);
  ~UdpPacketPath() override;

  const std::string& device() const override { return device_; }
  void publish(std::shared_ptr<const ForwardTable> table) override;
  const std::string& trouble() const override { return trouble_; }
  std::shared_ptr<const PathMeter> meter() const override { return meter_; }

 private:
  UdpPacketPath(PacketPathSettings settings, Parts parts);

  Result<void> open_edges(const std::string& device);
  Result<TunDevice> open_or_resume_tun(const std::string& device);
  Result<UdpSockets> open_or_resume_udp();
  void start();
  void make_path();
  void gone();
  void try_again();
  void set_trouble(std::string text);

  PacketPathSettings settings_;
  Parts parts_;
  std::string device_;
  std::string trouble_;
  // Copies: the port is ours also while the device is being made again.
  std::vector<Fd> sockets_;
  std::vector<UdpPath::Lane> lanes_;  // until the first table comes
  std::shared_ptr<const ForwardTable> table_;
  std::shared_ptr<PathMeter> meter_ = std::make_shared<PathMeter>();
  std::unique_ptr<UdpPath> path_;
  SubscriptionPtr retry_;
  // Packet threads post to the loop; what arrives after our end finds this gone.
  std::shared_ptr<UdpPacketPath*> self_;
};

}  // namespace flannel
