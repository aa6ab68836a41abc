// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/packet_path.h"
#include "dataplane/packet_threads.h"
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
class UdpDataplane final : public PacketPath {
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
  static Result<std::unique_ptr<UdpDataplane>> open(PacketPathSettings settings, Parts parts);
  ~UdpDataplane() override;

  const std::string& device() const override { return device_; }
  void publish(std::shared_ptr<const ForwardTable> table) override;
  const std::string& trouble() const override { return trouble_; }
  std::shared_ptr<const PacketCounters> counters() const override { return counters_; }

 private:
  UdpDataplane(PacketPathSettings settings, Parts parts);

  Result<void> open_edges(const std::string& device);
  Result<TunDevice> open_or_resume_tun(const std::string& device);
  Result<UdpSockets> open_or_resume_udp();
  void start();
  void make_threads();
  void gone();
  void try_again();
  void set_trouble(std::string text);

  PacketPathSettings settings_;
  Parts parts_;
  std::string device_;
  std::string trouble_;
  // Copies: the port is ours also while the device is being made again.
  std::vector<Fd> sockets_;
  std::vector<QueuePair> queue_pairs_;  // until the first table comes
  std::shared_ptr<const ForwardTable> table_;
  std::shared_ptr<PacketCounters> counters_ = std::make_shared<PacketCounters>();
  std::unique_ptr<PacketThreads> threads_;
  SubscriptionPtr retry_;
  // Packet threads post to the loop; what arrives after our end finds this gone.
  std::shared_ptr<UdpDataplane*> self_;
};

}  // namespace flannel
