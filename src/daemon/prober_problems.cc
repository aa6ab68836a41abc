// SPDX-License-Identifier: Apache-2.0
// The part of Prober that says what is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/problem_kinds.h"
#include "daemon/prober.h"

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 100;
// If so many are silent, and more than half of all, the reason is rather at this host.
constexpr std::size_t kMany = 4;

const ProblemKind* kind_of(const ProbeTarget& target, const PathView& path) {
  switch (path.state) {
    case PathState::ok:
      return nullptr;
    case PathState::never_seen:
    case PathState::unreachable:
      return path.is_silent ? &kPeerSilent : nullptr;
    case PathState::one_way:
      return &kPeerOneWay;
    case PathState::mtu:
      return &kPeerMtu;
    case PathState::checksum:
      return target.can_fill_checksums ? &kChecksumsBroken : &kUnderlayChecksumsBroken;
  }
  return nullptr;
}

std::string tunnel_of(const ProbeTarget& target) {
  return target.is_wrapped() ? target.tunnel() : "packets from and to " + to_string(target.subnet);
}

Problem problem(const ProblemKind& kind, const ProbeTarget& target, const std::string& why) {
  const std::string subnet = to_string(target.subnet);
  const std::string host = to_string(target.carrier);
  return make_problem(kind, subnet, fmt::format("{} at {}: {}", subnet, host, why),
                      {{"host", host}, {"tunnel", tunnel_of(target)}});
}

// The reason is at this host, so all peers behind one device are one problem.
class BrokenChecksums {
 public:
  void add(const ProblemKind& kind, const ProbeTarget& target, std::string why) {
    const DeviceName& name = &kind == &kChecksumsBroken ? target.device : target.underlay;
    Device& device = devices_[name.str()];
    if (device.peers++ > 0) return;
    device.kind = &kind;
    device.text = fmt::format("{} at {}: {}", to_string(target.subnet), to_string(target.carrier),
                              std::move(why));
  }
  void append_to(std::vector<Problem>& all) const {
    for (const auto& [name, device] : devices_) {
      const std::size_t more = device.peers - 1;
      const std::string others = more == 0 ? "" : fmt::format("; so it is with {} more", more);
      all.push_back(make_problem(*device.kind, name, device.text + others));
    }
  }

 private:
  struct Device {
    const ProblemKind* kind = nullptr;
    std::string text;  // what is wrong with the first of the peers
    std::size_t peers = 0;
  };
  std::map<std::string, Device> devices_;
};

}  // namespace

// Very many peers may be silent: no problem is made that would not be named.
std::vector<Problem> Prober::problems_of(std::initializer_list<PathState> states,
                                         std::size_t& count) const {
  std::vector<Problem> named;
  const TimePoint now = parts_.loop.now();
  for (const PathState state : states) {
    count += paths_.troubled(state);
    paths_.each_troubled(now, state, [&](const ProbeTarget& target, const PathView& path) {
      if (named.size() == kMostNamed) return false;
      const ProblemKind* kind = kind_of(target, path);
      if (kind != nullptr) named.push_back(problem(*kind, target, explain(target, path, now)));
      return true;
    });
  }
  return named;
}

void Prober::append_problems(std::vector<Problem>& all) const {
  std::size_t silent_count = 0, others_count = 0;
  std::vector<Problem> silent =
      problems_of({PathState::never_seen, PathState::unreachable}, silent_count);
  std::vector<Problem> others = problems_of({PathState::one_way, PathState::mtu}, others_count);
  if (silent_count >= kMany && silent_count * 2 > paths_.size()) {
    all.push_back(many_silent(silent_count));
    silent.clear();
    silent_count = 0;
  }
  append_broken_checksums(all);
  std::ranges::move(others, std::back_inserter(silent));
  for (std::size_t i = 0; i < silent.size() && i < kMostNamed; ++i)
    all.push_back(std::move(silent[i]));
  if (const std::size_t count = silent_count + others_count; count > kMostNamed) {
    all.push_back(other_problems(kPeerSilent, count - kMostNamed));
  }
}

// All are silent for one reason, so any of them is an example.
Problem Prober::many_silent(std::size_t count) const {
  const ProbeTarget* example = nullptr;
  for (const PathState state : {PathState::never_seen, PathState::unreachable}) {
    paths_.each_troubled(parts_.loop.now(), state, [&](const ProbeTarget& target, const PathView&) {
      example = &target;
      return false;
    });
  }
  return make_problem(
      kPeersSilent, "",
      fmt::format("{} of {} peers do not answer over the overlay", count, paths_.size()),
      {{"device", example->device.str()}, {"tunnel", tunnel_of(*example)}});
}

void Prober::append_broken_checksums(std::vector<Problem>& all) const {
  BrokenChecksums broken;
  const TimePoint now = parts_.loop.now();
  paths_.each_troubled(now, PathState::checksum,
                       [&](const ProbeTarget& target, const PathView& path) {
                         const ProblemKind* kind = kind_of(target, path);
                         if (kind != nullptr && path.state == PathState::checksum) {
                           broken.add(*kind, target, explain(target, path, now));
                         }
                         return true;
                       });
  broken.append_to(all);
}

}  // namespace flannel
