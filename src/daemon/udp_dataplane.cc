// SPDX-License-Identifier: Apache-2.0
#include "daemon/udp_dataplane.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/log.h"
#include "kernel/ports/queue_pair.h"

namespace flannel {
namespace {

// Until device, sockets and threads exist: no packet passes meanwhile.
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

std::string to_text(const std::vector<IpEndpoint>& endpoints) {
  std::string text;
  for (const IpEndpoint& one : endpoints)
    text += (text.empty() ? "" : " ") + to_string(one);
  return text;
}

}  // namespace

int queues_for(unsigned cpus) {
  return static_cast<int>(std::clamp(cpus / 4, 1u, 4u));
}

UdpDataplane::UdpDataplane(PacketPathSettings settings, Parts parts) : parts_(std::move(parts)) {
  set(settings);
}

void UdpDataplane::set(const PacketPathSettings& settings) {
  settings_ = settings;
  if (settings_.queues == 0) settings_.queues = queues_for(std::thread::hardware_concurrency());
}

UdpDataplane::~UdpDataplane() = default;

Result<std::unique_ptr<UdpDataplane>> UdpDataplane::open(PacketPathSettings settings, Parts parts) {
  TRY(check_cpus(settings.cpus));
  std::unique_ptr<UdpDataplane> path(new UdpDataplane(std::move(settings), std::move(parts)));
  TRY_DURING(path->open_edges(path->settings_.device), "open the packet path");
  return path;
}

Result<void> UdpDataplane::open_edges(const std::string& device) {
  TunDevice tun = TRY(open_or_resume_tun(device));
  UdpSockets udp = TRY(open_or_resume_udp());
  sockets_ = TRY(duplicate(udp));
  queues_ = TRY(duplicate(tun));
  parts_.keep(kQueues, tun.queues);
  parts_.keep(kSockets, sockets_);
  std::vector<QueuePair> queue_pairs;
  for (std::size_t i = 0; i < tun.queues.size(); ++i) {
    queue_pairs.push_back(TRY(open_queue_pair(std::move(tun.queues[i]), tun.abilities,
                                              std::move(udp.queues[i]), udp.abilities)));
  }
  log::info("the packet path is open", {{"device", tun.name},
                                        {"adopted", tun.adopted},
                                        {"offloads", to_string(tun.abilities)},
                                        {"socket", to_text(settings_.local)},
                                        {"queues", settings_.queues}});
  queue_pairs_ = std::move(queue_pairs);
  device_ = tun.name;
  return {};
}

Result<TunDevice> UdpDataplane::open_or_resume_tun(const std::string& device) {
  const TunOptions options{.name = device,
                           .networks = settings_.networks,
                           .queues = settings_.queues,
                           .persistent = settings_.persistent};
  std::vector<Fd> kept = std::exchange(queues_, {});
  if (kept.empty()) kept = parts_.take_kept(kQueues);
  if (kept.size() == static_cast<std::size_t>(settings_.queues)) {
    auto resumed = resume_tun(std::move(kept), options);
    if (resumed) return resumed;
    log::warning("queues of the earlier run not used", {{"why", resumed.error().text}});
  }
  kept.clear();
  parts_.keep(kQueues, {});
  return open_tun(options);
}

Result<UdpSockets> UdpDataplane::open_or_resume_udp() {
  const UdpSocketOptions options{.local = settings_.local,
                                 .queues = settings_.queues,
                                 .receive_buffer = settings_.receive_buffer,
                                 .send_buffer = settings_.send_buffer};
  std::vector<Fd> kept = std::exchange(sockets_, {});
  if (kept.empty()) kept = parts_.take_kept(kSockets);
  if (!kept.empty()) {
    auto resumed = resume_udp(std::move(kept), options);
    if (resumed) return resumed;
    log::warning("sockets of the earlier run not used", {{"why", resumed.error().text}});
  }
  kept.clear();
  parts_.keep(kSockets, {});
  return open_udp(options);
}

// The device stays, unless the number of its queues changes.
Result<void> UdpDataplane::reopen(const PacketPathSettings& settings) {
  const PacketPathSettings former = settings_;
  TRY(check_cpus(settings.cpus));
  set(settings);
  threads_.reset();
  queue_pairs_.clear();
  sockets_.clear();
  const bool same_queues = settings_.queues == former.queues;
  if (!same_queues) queues_.clear();
  auto opened = open_edges(same_queues ? device_ : settings_.device);
  if (!opened) {
    set(former);
    if (table_) {
      make_again();
    } else if (const auto back = open_edges(device_); !back) {
      set_trouble(back.error().text);
    }
    return opened;
  }
  if (table_) start();
  return {};
}

void UdpDataplane::retire() {
  parts_.keep(kQueues, {});
  parts_.keep(kSockets, {});
}

void UdpDataplane::publish(std::shared_ptr<const ForwardTable> table) {
  table_ = std::move(table);
  if (threads_) {
    threads_->publish(table_);
  } else if (!queue_pairs_.empty()) {
    start();
  }
}

// Retried until it works; the queues stay open meanwhile.
void UdpDataplane::start() {
  retry_.cancel();
  if (!threads_) make_threads();
  const auto started = threads_->start();
  if (!started) retry_.arm_after(kRetry);
  set_trouble(started ? std::string() : started.error().text);
}

void UdpDataplane::make_threads() {
  auto on_gone = [this, sender = gate_.sender()] { sender.post([this] { gone(); }); };
  threads_ = std::make_unique<PacketThreads>(
      std::move(queue_pairs_), table_,
      PacketThreads::Options{
          .cpus = settings_.cpus, .on_gone = std::move(on_gone), .counters = counters_});
  queue_pairs_.clear();
}

// Another process has deleted the device.
void UdpDataplane::gone() {
  threads_.reset();
  queues_.clear();
  log::warning("the device of the packet path was deleted, making it again", {{"device", device_}});
  set_trouble(fmt::format("{} was deleted", device_));
  make_again();
}

void UdpDataplane::retry() {
  if (threads_) {
    start();
  } else {
    make_again();
  }
}

void UdpDataplane::make_again() {
  retry_.cancel();
  if (const auto opened = open_edges(device_); !opened) {
    set_trouble(opened.error().text);
    retry_.arm_after(kRetry);
    return;
  }
  start();
}

void UdpDataplane::set_trouble(std::string text) {
  if (text == trouble_) return;
  trouble_ = std::move(text);
  parts_.on_state();
}
}  // namespace flannel
