// SPDX-License-Identifier: Apache-2.0
#include "daemon/udp_packet_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/log.h"
#include "kernel/ports/lane.h"

namespace flannel {
namespace {

constexpr Duration kRetry = std::chrono::seconds(1);

Result<void> check_cpus(const std::vector<int>& cpus) {
  const auto count = static_cast<int>(std::thread::hardware_concurrency());
  for (const int cpu : cpus) {
    if (cpu >= count) {
      return fail(
          ErrorKind::invalid,
          fmt::format("bind packet threads: there is no CPU {}, only 0 to {}", cpu, count - 1));
    }
  }
  return {};
}

}  // namespace

int queues_for(unsigned cpus) {
  return static_cast<int>(std::clamp(cpus / 4, 1u, 4u));
}

UdpPacketPath::UdpPacketPath(PacketPathSettings settings, Parts parts)
    : settings_(std::move(settings)),
      parts_(std::move(parts)),
      self_(std::make_shared<UdpPacketPath*>(this)) {
  if (settings_.queues == 0) settings_.queues = queues_for(std::thread::hardware_concurrency());
}

UdpPacketPath::~UdpPacketPath() = default;

Result<std::unique_ptr<UdpPacketPath>> UdpPacketPath::open(PacketPathSettings settings,
                                                           Parts parts) {
  TRY(check_cpus(settings.cpus));
  std::unique_ptr<UdpPacketPath> path(new UdpPacketPath(std::move(settings), std::move(parts)));
  TRY_DURING(path->open_edges(path->settings_.device), "open the packet path");
  return path;
}

Result<void> UdpPacketPath::open_edges(const std::string& device) {
  TunDevice tun = TRY(open_or_resume_tun(device));
  UdpSockets udp = TRY(open_or_resume_udp());
  sockets_ = TRY(duplicate(udp.sockets));
  parts_.keep(kQueues, tun.queues);
  parts_.keep(kSockets, udp.sockets);
  std::vector<UdpPath::Lane> lanes;
  for (std::size_t i = 0; i < tun.queues.size(); ++i) {
    lanes.push_back(TRY(open_lane(std::move(tun.queues[i]), tun.abilities,
                                  std::move(udp.sockets[i]), udp.abilities)));
  }
  log::info("packet path", {{"device", tun.name},
                            {"adopted", tun.adopted},
                            {"offloads", to_string(tun.abilities)},
                            {"socket", to_string(settings_.local)},
                            {"queues", settings_.queues}});
  lanes_ = std::move(lanes);
  device_ = tun.name;
  return {};
}

Result<TunDevice> UdpPacketPath::open_or_resume_tun(const std::string& device) {
  const TunOptions options{.name = device,
                           .network = settings_.network,
                           .queues = settings_.queues,
                           .persistent = settings_.persistent};
  std::vector<Fd> kept = parts_.take_kept(kQueues);
  if (kept.size() == static_cast<std::size_t>(settings_.queues)) {
    auto resumed = resume_tun(std::move(kept), options);
    if (resumed) return resumed;
    log::warning("queues of the earlier run not used", {{"why", resumed.error().text}});
  }
  kept.clear();
  parts_.keep(kQueues, {});
  return open_tun(options);
}

Result<UdpSockets> UdpPacketPath::open_or_resume_udp() {
  const UdpSocketOptions options{.local = settings_.local,
                                 .sockets = settings_.queues,
                                 .receive_buffer = settings_.receive_buffer,
                                 .send_buffer = settings_.send_buffer};
  std::vector<Fd> kept = std::exchange(sockets_, {});
  if (kept.empty()) kept = parts_.take_kept(kSockets);
  if (kept.size() == static_cast<std::size_t>(settings_.queues)) {
    auto resumed = resume_udp(std::move(kept), options);
    if (resumed) return resumed;
    log::warning("sockets of the earlier run not used", {{"why", resumed.error().text}});
  }
  kept.clear();
  parts_.keep(kSockets, {});
  return open_udp(options);
}

void UdpPacketPath::publish(std::shared_ptr<const ForwardTable> table) {
  table_ = std::move(table);
  if (path_) {
    path_->publish(table_);
  } else if (!lanes_.empty()) {
    start();
  }
}

// Again and again, until it works: the queues stay ours meanwhile.
void UdpPacketPath::start() {
  retry_.reset();
  if (!path_) make_path();
  const auto started = path_->start();
  if (!started) retry_ = parts_.loop.at(parts_.loop.now() + kRetry, [this] { start(); });
  set_trouble(started ? std::string() : started.error().text);
}

void UdpPacketPath::make_path() {
  auto on_gone = [poster = parts_.loop.poster(), self = std::weak_ptr(self_)] {
    poster->post([self] {
      if (const auto path = self.lock()) (*path)->gone();
    });
  };
  path_ = std::make_unique<UdpPath>(
      std::move(lanes_), table_,
      UdpPath::Options{.cpus = settings_.cpus, .on_gone = std::move(on_gone), .meter = meter_});
  lanes_.clear();
}

// Somebody deleted the device.
void UdpPacketPath::gone() {
  path_.reset();
  set_trouble(fmt::format("{} was deleted", device_));
  try_again();
}

void UdpPacketPath::try_again() {
  retry_.reset();
  if (const auto opened = open_edges(device_); !opened) {
    set_trouble(opened.error().text);
    retry_ = parts_.loop.at(parts_.loop.now() + kRetry, [this] { try_again(); });
    return;
  }
  start();
}

void UdpPacketPath::set_trouble(std::string text) {
  if (text == trouble_) return;
  trouble_ = std::move(text);
  if (trouble_.empty()) {
    log::info("packets are carried again", {{"device", device_}});
  } else {
    log::error("no packets are carried", {{"why", trouble_}});
  }
  parts_.on_state();
}
}  // namespace flannel
