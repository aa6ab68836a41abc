// SPDX-License-Identifier: Apache-2.0
#include "probe/paths.h"

#include <algorithm>

namespace flannel {
namespace {

// Without an encapsulation the peer does not have the address that is asked; with this limit it
// forwards the packet to no other device.
constexpr std::uint8_t kOneHop = 1;
// What many changes or losses need at once is sent at this multiple of the usual rate.
constexpr float kHaste = 12;
constexpr float kLeastHaste = 50;

ProbeRoute route_to(const ProbeTarget& target) {
  return {.from = target.from,
          .to = target.subnet.base,
          .hop_limit = target.is_wrapped() ? std::uint8_t{64} : kOneHop};
}

// The bridge of a peer without an encapsulation has the first address of its subnet.
ProbeRoute echo_route_to(const ProbeTarget& target) {
  ProbeRoute route{.from = target.from, .to = target.subnet.base};
  if (!target.is_wrapped()) route.to = target.subnet.base.plus(1);
  return route;
}

}  // namespace

bool ProbeBudget::take(TimePoint now) {
  refill(now);
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

void ProbeBudget::refill(TimePoint now) {
  const float seconds = std::chrono::duration<float>(now - filled_).count();
  left_ = std::min(most_, left_ + seconds * rate_);
  filled_ = now;
}

TimePoint ProbeBudget::next(TimePoint now) const {
  if (left_ >= 1) return now;
  return filled_ +
         std::chrono::duration_cast<Duration>(std::chrono::duration<float>((1 - left_) / rate_)) +
         std::chrono::milliseconds(1);
}

void ProbePaths::set(std::vector<ProbeTarget> targets, TimePoint now) {
  for (auto& [base, entry] : paths_)
    entry.is_target = false;
  for (ProbeTarget& target : targets) {
    const IpAddress base = target.subnet.base;
    put(std::move(target), now);
    paths_.find(base)->second.is_target = true;
  }
  for (auto path = paths_.begin(); path != paths_.end();)
    path = path->second.is_target ? std::next(path) : erase(path);
  follow_size();
}

void ProbePaths::put(ProbeTarget target, TimePoint now) {
  const IpAddress base = target.subnet.base;
  const auto known = paths_.find(base);
  if (known != paths_.end()) {
    if (known->second.path.target() == target) return;
    erase(known);
  }
  by_carrier_.emplace(target.carrier, base);
  auto& path = *paths_.emplace(base, Entry{ProbePath(std::move(target), now)}).first;
  count_in(path.second);
  queue(now, path);
  follow_size();
}

void ProbePaths::remove(const IpPrefix& subnet) {
  const auto path = paths_.find(subnet.base);
  if (path == paths_.end() || path->second.path.target().subnet != subnet) return;
  erase(path);
  follow_size();
}

void ProbePaths::follow_size() {
  probes_.set_rate(std::max(kLeastHaste, kHaste * static_cast<float>(paths_.size()) /
                                             static_cast<float>(kRound.count())));
  answers_.set_rate(std::max<float>(kAnswers, static_cast<float>(paths_.size()) / 20));
  changed_ = true;
}

ProbePaths::Paths::iterator ProbePaths::erase(Paths::iterator path) {
  const auto& [base, entry] = *path;
  by_carrier_.erase({entry.path.target().carrier, base});
  count_out(entry);
  queue_.erase({entry.queued, base});
  return paths_.erase(path);
}

Duration ProbePaths::interval() const {
  const Duration all = std::chrono::seconds(1) * static_cast<int>(paths_.size()) / kEachSecond;
  return std::clamp<Duration>(all, kOften, kRound);
}

void ProbePaths::queue(TimePoint now, Paths::value_type& path) {
  auto& [base, entry] = path;
  if (entry.queued != kNever) queue_.erase({entry.queued, base});
  entry.queued = entry.path.wakeup();
  queue_.emplace(entry.queued, base);
  note(now, entry);
}

void ProbePaths::note(TimePoint now, Entry& entry) {
  const PathView view = entry.path.view(now);
  const bool is_new = view.state != entry.state || view.is_silent != entry.is_silent ||
                      view.underlay_answers != entry.underlay;
  if (!is_new) return;
  count_out(entry);
  entry.state = view.state;
  entry.is_silent = view.is_silent;
  entry.underlay = view.underlay_answers;
  count_in(entry);
  changed_ = true;
}

void ProbePaths::count_in(const Entry& entry) {
  const ProbeTarget& target = entry.path.target();
  InState& in = in_state_.at(index(entry.state));
  ++in.count;
  if (entry.is_troubled()) in.troubled.insert(target.subnet.base);
  if (entry.lacks_packets()) ++silent_peers_[target.peer];
}

void ProbePaths::count_out(const Entry& entry) {
  const ProbeTarget& target = entry.path.target();
  InState& in = in_state_.at(index(entry.state));
  --in.count;
  in.troubled.erase(target.subnet.base);
  const auto silent = silent_peers_.find(target.peer);
  if (entry.lacks_packets() && --silent->second == 0) silent_peers_.erase(silent);
}

TimePoint ProbePaths::wakeup(TimePoint now) const {
  if (queue_.empty()) return kNever;
  return std::max(queue_.begin()->first, probes_.next(now));
}

std::vector<ProbePaths::Outgoing> ProbePaths::tick(TimePoint now) {
  std::vector<Outgoing> all;
  while (!queue_.empty() && queue_.begin()->first <= now) {
    auto& path = *paths_.find(queue_.begin()->second);
    Entry& entry = path.second;
    entry.path.expire(now);
    const bool sends = entry.path.wakeup() <= now;
    if (sends && !probes_.take(now)) {
      note(now, entry);
      break;
    }
    if (sends) {
      for (const auto& probe : entry.path.send(now, interval(), nonces_)) {
        if (probe.purpose == ProbePath::Purpose::watch) counters_->count_sent();
        append(now, entry.path, probe, all);
      }
    }
    queue(now, path);
  }
  return all;
}

void ProbePaths::append(TimePoint now, const ProbePath& path, const ProbePath::Probe& probe,
                        std::vector<Outgoing>& all) const {
  const ProbeTarget& target = path.target();
  if (probe.request) {
    const ProbeRoute route = route_to(target);
    const auto kind = probe.is_ordinary() ? Outgoing::Kind::ordinary : Outgoing::Kind::overlay;
    all.push_back({.kind = kind,
                   .to = route.to,
                   .bytes = probe_packet(route, path.request(now, probe), probe.sizes.to)});
  }
  if (probe.echo) {
    const ProbeRoute route = echo_route_to(target);
    all.push_back({.to = route.to, .bytes = echo_packet(route, probe.nonce, probe.sizes.to)});
  }
  if (probe.underlay) {
    all.push_back({.kind = Outgoing::Kind::underlay,
                   .to = target.carrier,
                   .bytes = echo_message(target.carrier.family, probe.nonce)});
  }
}

ProbePaths::Reaction ProbePaths::on_arrival(TimePoint now, const Arrival& arrival) {
  const ArrivedProbe& probe = arrival.probe;
  auto path = paths_.find(probe.from);
  const auto* nonce = std::get_if<std::uint64_t>(&probe.content);
  if (path == paths_.end() && nonce != nullptr) {
    // The first address of a subnet answers for it.
    const auto after = paths_.lower_bound(probe.from);
    if (after == paths_.begin()) return {};
    path = std::prev(after);
    if (echo_route_to(path->second.path.target()).to != probe.from) return {};
  }
  if (path == paths_.end()) return {};
  Entry& entry = path->second;
  const ProbeTarget& target = entry.path.target();
  if (probe.to != target.from) return {};
  if (target.mac && arrival.device == target.device.view() && arrival.mac != target.mac) return {};
  Reaction reaction;
  if (nonce != nullptr) {
    reaction.answered = entry.path.on_echo(now, *nonce, probe.size);
  } else {
    reaction = on_message(now, entry, probe, std::get<ProbeMessage>(probe.content));
  }
  const auto& answered = reaction.answered;
  if (answered && answered->purpose == ProbePath::Purpose::watch && answered->rtt > Duration{}) {
    counters_->count_answered(answered->rtt);
  }
  queue(now, *path);
  return reaction;
}

ProbePaths::Reaction ProbePaths::on_message(TimePoint now, Entry& entry, const ArrivedProbe& probe,
                                            const ProbeMessage& message) {
  if (message.kind == ProbeMessage::Kind::answer) {
    return {.answered = entry.path.on_answer(now, message, probe.size)};
  }
  if (!entry.answers.take(now) || !answers_.take(now)) return {};
  ProbeMessage answer = entry.path.on_request(now, message, probe.size, nonces_);
  answer.checksum = probe.checksum;
  const ProbeRoute route = route_to(entry.path.target());
  // It is never longer than the request, so we send no more bytes than we have received.
  const std::uint16_t size = std::min(message.size, probe.size);
  return {.send = Outgoing{.to = route.to, .bytes = probe_packet(route, answer, size)}};
}

void ProbePaths::on_underlay(TimePoint now, const IpAddress& from, std::uint64_t nonce) {
  for (auto behind = by_carrier_.lower_bound({from, IpAddress{}});
       behind != by_carrier_.end() && behind->first == from; ++behind) {
    auto& path = *paths_.find(behind->second);
    path.second.path.on_underlay(now, nonce);
    note(now, path.second);
  }
}

std::optional<ProbePaths::Asked> ProbePaths::ask(TimePoint now, const IpAddress& base,
                                                 const ProbeSizes& sizes) {
  const auto path = paths_.find(base);
  if (path == paths_.end()) return std::nullopt;
  const ProbePath::Probe probe = path->second.path.ask(now, sizes, nonces_);
  Asked asked{.nonce = probe.nonce};
  append(now, path->second.path, probe, asked.send);
  return asked;
}

std::optional<PathView> ProbePaths::view(TimePoint now, const IpPrefix& subnet) const {
  const auto path = paths_.find(subnet.base);
  if (path == paths_.end()) return std::nullopt;
  return path->second.path.view(now);
}

const ProbeTarget* ProbePaths::find_target(const IpAddress& base) const {
  const auto path = paths_.find(base);
  return path == paths_.end() ? nullptr : &path->second.path.target();
}

}  // namespace flannel
