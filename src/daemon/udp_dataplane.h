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
#include "loop/loop_gate.h"
#include "loop/timer.h"

namespace flannel {

// Returns the default number of queues. With few CPUs one queue is best, because the containers'
// own network stacks need the rest: each queue needs a CPU for each direction, and as many again
// for the containers.
int queues_for(unsigned cpus);

// The packet path over a real TUN device and real sockets. If another program deletes the device,
// it is made again. If threads cannot be started, this is tried again every second.
class UdpDataplane final : public PacketPath {
 public:
  struct Parts {
    Loop& loop;
    // trouble() has changed: the device was made again, or cannot be, or its threads cannot start.
    std::function<void()> on_state;
    // Return the queues and sockets that an earlier run left open under `name`, and leave ours open
    // for the next run.
    std::function<std::vector<Fd>(std::string_view name)> take_kept;
    std::function<void(std::string_view name, std::span<const Fd>)> keep;
  };
  static constexpr std::string_view kQueues = "udp-queues";
  static constexpr std::string_view kSockets = "udp-sockets";

  // Opens the device and the sockets. Packets are carried only from the first table on.
  static Result<std::unique_ptr<UdpDataplane>> open(PacketPathSettings settings, Parts parts);
  ~UdpDataplane() override;

  const std::string& device() const override { return device_; }
  void publish(std::shared_ptr<const ForwardTable> table) override;
  const std::string& trouble() const override { return trouble_; }
  std::shared_ptr<const PacketCounters> counters() const override { return counters_; }
  Result<void> reopen(const PacketPathSettings& settings) override;
  void retire() override;

 private:
  UdpDataplane(PacketPathSettings settings, Parts parts);

  Result<void> open_edges(const std::string& device);
  Result<TunDevice> open_or_resume_tun(const std::string& device);
  Result<UdpSockets> open_or_resume_udp();
  void set(const PacketPathSettings& settings);
  void start();
  void make_threads();
  void gone();
  void make_again();
  void retry();
  void set_trouble(std::string text);

  PacketPathSettings settings_;
  Parts parts_;
  std::string device_;
  std::string trouble_;
  // Copies, so that the port stays ours while the device is made again, and the device while the
  // sockets are.
  std::vector<Fd> sockets_;
  std::vector<Fd> queues_;
  std::vector<QueuePair> queue_pairs_;  // only before the first table
  std::shared_ptr<const ForwardTable> table_;
  std::shared_ptr<PacketCounters> counters_ = std::make_shared<PacketCounters>();
  std::unique_ptr<PacketThreads> threads_;
  Timer retry_{parts_.loop, [this] { retry(); }};
  LoopGate gate_{parts_.loop};  // for what packet threads post
};

}  // namespace flannel
