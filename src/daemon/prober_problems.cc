// SPDX-License-Identifier: Apache-2.0
// The part of Prober that says what is wrong.
#include <fmt/format.h>

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

void Prober::append_problems(std::vector<Problem>& all) const {
  // Very many peers may be silent: no problem is made that would not be named.
  std::vector<Problem> silent, others;
  std::size_t silent_count = 0, others_count = 0;
  const ProbeTarget* example = nullptr;
  BrokenChecksums broken;
  const TimePoint now = parts_.loop.now();
  paths_.each(now, [&](const ProbeTarget& target, const PathView& path) {
    const ProblemKind* kind = kind_of(target, path);
    if (kind == nullptr) return;
    if (path.state == PathState::checksum) {
      return broken.add(*kind, target, explain(target, path, now));
    }
    const bool is_silent = kind == &kPeerSilent;
    if (is_silent) example = &target;
    ++(is_silent ? silent_count : others_count);
    std::vector<Problem>& named = is_silent ? silent : others;
    if (named.size() < kMostNamed) {
      named.push_back(problem(*kind, target, explain(target, path, now)));
    }
  });
  if (silent_count >= kMany && silent_count * 2 > paths_.size()) {
    all.push_back(make_problem(
        kPeersSilent, "",
        fmt::format("{} of {} peers do not answer over the overlay", silent_count, paths_.size()),
        {{"device", example->device.str()}, {"tunnel", tunnel_of(*example)}}));
    silent.clear();
    silent_count = 0;
  }
  broken.append_to(all);
  silent.insert(silent.end(), others.begin(), others.end());
  for (std::size_t i = 0; i < silent.size() && i < kMostNamed; ++i)
    all.push_back(std::move(silent[i]));
  if (const std::size_t count = silent_count + others_count; count > kMostNamed) {
    all.push_back(other_problems(kPeerSilent, count - kMostNamed));
  }
}

}  // namespace flannel
