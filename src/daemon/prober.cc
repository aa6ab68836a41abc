// SPDX-License-Identifier: Apache-2.0
#include "daemon/prober.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <set>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

// Many changes come together. A new peer needs some time to know this host, too.
constexpr auto kGather = std::chrono::milliseconds(100);
// Probes that are due within this time are sent together.
constexpr auto kTogether = std::chrono::milliseconds(20);
// After a failure, as of a process without a descriptor left.
constexpr auto kOpenAgain = std::chrono::seconds(10);
constexpr auto kListenEvery = std::chrono::seconds(1);

std::uint64_t random_nonce() {
  std::uint64_t nonce = 0;
  // A request of so few bytes is never cut short (getrandom(2)); 0 means "none" in a message.
  while (nonce == 0) {
    if (::getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) nonce = 0;
  }
  return nonce;
}

}  // namespace

Prober::Prober(Parts parts) : parts_(std::move(parts)), paths_(random_nonce) {}

void Prober::all_changed() {
  all_changed_ = true;
  changed_soon();
}

void Prober::peers_changed(const std::vector<SubnetKey>& peers) {
  if (!all_changed_) changed_.insert(peers.begin(), peers.end());
  changed_soon();
}

void Prober::changed_soon() {
  if (parts_.is_on && !ways_due_.armed()) ways_due_.arm_after(kGather);
}

void Prober::open() {
  auto port = parts_.host.open_probe_port(
      {.on_arrival = [this](const ProbePaths::Arrival& arrival) { on_arrival(arrival); },
       .on_underlay = [this](const IpAddress& from,
                             std::uint64_t nonce) { on_underlay(from, nonce); }});
  if (port) {
    port_ = *std::move(port);
    why_closed_.clear();
    return;
  }
  open_due_.arm_after(kOpenAgain);
  if (std::exchange(why_closed_, port.error().text) != port.error().text) {
    log::warning("peers are not probed", {{"why", port.error().text},
                                          {"remedy",
                                           "give flanneld CAP_NET_RAW, or the option "
                                           "--probe-peers=false; it is tried again"}});
  }
}

void Prober::read_ways() {
  std::vector<ProbeDevice> devices = parts_.devices();
  if (!is_on() && !devices.empty()) open();
  if (!is_on()) return;
  devices_ = std::move(devices);
  take_targets();
  listen();
  arm();
}

// With very many peers, a change must not cost work for all of them. A subnet may have passed from
// one of the changed peers to another: what is gone is removed before anything is put.
void Prober::take_targets() {
  const TimePoint now = parts_.loop.now();
  const auto changed = std::exchange(changed_, {});
  if (std::exchange(all_changed_, false)) return paths_.set(parts_.targets(), now);
  std::vector<ProbeTarget> targets;
  for (const SubnetKey& peer : changed)
    std::ranges::move(parts_.targets_of(peer), std::back_inserter(targets));
  std::set<IpPrefix> wanted;
  for (const ProbeTarget& target : targets)
    wanted.insert(target.subnet);
  for (const SubnetKey& peer : changed) {
    for (const IpPrefix& subnet : values_of(peer)) {
      if (!wanted.contains(subnet)) paths_.remove(subnet);
    }
  }
  for (ProbeTarget& target : targets)
    paths_.put(std::move(target), now);
}

// A device may have been made anew, with another index.
void Prober::listen() {
  port_->listen(devices_);
  if (!devices_.empty()) listen_due_.arm_after(kListenEvery);
}

void Prober::run() {
  send(paths_.tick(parts_.loop.now()));
  arm();
}

void Prober::send(const std::vector<ProbePaths::Outgoing>& packets) {
  for (const ProbePaths::Outgoing& packet : packets)
    port_->send(packet);
}

void Prober::arm() {
  const TimePoint now = parts_.loop.now();
  const TimePoint next = paths_.wakeup(now);
  due_.arm(next == kNever ? kNever : std::max(next, now + kTogether));
  if (paths_.take_changed()) parts_.on_state();
}

void Prober::on_arrival(const ProbePaths::Arrival& arrival) {
  const auto reaction = paths_.on_arrival(parts_.loop.now(), arrival);
  if (reaction.send) port_->send(*reaction.send);
  for (Pinging& ping : pings_) {
    if (reaction.answered) ping.run.on_answered(*reaction.answered);
    ping.run.on_arrival(parts_.loop.now(), arrival.probe);
  }
  end_pings();
  arm();
}

void Prober::on_underlay(const IpAddress& from, std::uint64_t nonce) {
  paths_.on_underlay(parts_.loop.now(), from, nonce);
  for (Pinging& ping : pings_)
    ping.run.on_underlay(parts_.loop.now(), from, nonce);
  end_pings();
  arm();
}

bool Prober::ping(const PingRequest& request, std::function<void(const PingOutcome&)> done) {
  if (!is_on() || pings_.size() >= kMostPings) return false;
  PingRun run(request, parts_.loop.now());
  const auto packets = run.begin(paths_, random_nonce);
  if (packets.empty()) return false;
  pings_.push_back({std::move(run), std::move(done)});
  send(packets);
  end_pings();
  return true;
}

// Reports the pings that are complete or have lasted long enough.
void Prober::end_pings() {
  TimePoint next = kNever;
  for (auto ping = pings_.begin(); ping != pings_.end();) {
    if (!ping->run.is_complete() && ping->run.end() > parts_.loop.now()) {
      next = std::min(next, ping->run.end());
      ++ping;
      continue;
    }
    ping->done(ping->run.outcome());
    ping = pings_.erase(ping);
  }
  pings_due_.arm(next);
}

std::optional<PathView> Prober::view(const IpPrefix& subnet) const {
  return paths_.view(parts_.loop.now(), subnet);
}

std::map<std::string_view, std::size_t> Prober::states() const {
  std::map<std::string_view, std::size_t> count;
  for (const PathState state : kPathStates)
    count[to_string(state)] = paths_.count(state);
  return count;
}

std::string Prober::why(const IpPrefix& subnet) const {
  const ProbeTarget* target = paths_.find_target(subnet.base);
  const auto path = view(subnet);
  return target && path ? explain(*target, *path, parts_.loop.now()) : std::string();
}

}  // namespace flannel
