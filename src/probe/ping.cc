// SPDX-License-Identifier: Apache-2.0
#include "probe/ping.h"

#include <algorithm>

namespace flannel {

std::vector<ProbePaths::Outgoing> PingRun::begin(ProbePaths& paths, const Nonces& nonces) {
  if (request_.is_own) {
    other_nonce_ = nonces();
    return {{.kind = ProbePaths::Outgoing::Kind::underlay,
             .to = *request_.container,
             .bytes = echo_message(request_.container->family, other_nonce_)}};
  }
  const ProbeTarget* target = paths.find_target(request_.base);
  if (target == nullptr) return {};
  const std::uint16_t least = least_probe_size(request_.base.family);
  ProbeSizes sizes = request_.sizes;
  sizes.to = std::max(sizes.to, least);
  sizes.back = std::clamp(sizes.back, least, sizes.to);
  auto asked = paths.ask(began_, request_.base, sizes);
  overlay_nonce_ = asked->nonce;
  other_nonce_ = nonces();
  carrier_ = target->carrier;
  asked->send.push_back({.kind = ProbePaths::Outgoing::Kind::underlay,
                         .to = carrier_,
                         .bytes = echo_message(carrier_.family, other_nonce_)});
  if (const auto& container = request_.container) {
    asked->send.push_back(
        {.to = *container,
         .bytes = echo_packet({.from = target->from, .to = *container}, other_nonce_, sizes.to)});
  }
  return std::move(asked->send);
}

void PingRun::on_answered(const ProbePath::Answered& answered) {
  if (answered.nonce != overlay_nonce_ || outcome_.overlay) return;
  outcome_.overlay = answered.rtt;
  outcome_.arrived = answered.arrived;
}

void PingRun::on_arrival(TimePoint now, const ArrivedProbe& probe) {
  const auto* nonce = std::get_if<std::uint64_t>(&probe.content);
  if (nonce == nullptr || *nonce != other_nonce_ || probe.from != request_.container) return;
  if (!outcome_.container) outcome_.container = now - began_;
}

void PingRun::on_underlay(TimePoint now, const IpAddress& from, std::uint64_t nonce) {
  if (nonce != other_nonce_) return;
  if (request_.is_own && from == request_.container) outcome_.container = now - began_;
  if (!request_.is_own && from == carrier_ && !outcome_.underlay) outcome_.underlay = now - began_;
}

bool PingRun::is_complete() const {
  if (request_.is_own) return outcome_.container.has_value();
  return outcome_.overlay && (!request_.container || outcome_.container);
}

}  // namespace flannel
