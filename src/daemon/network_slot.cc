// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_slot.h"

#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {

NetworkSlot::NetworkSlot(std::string name, Parts parts)
    : name_(std::move(name)),
      parts_(std::move(parts)),
      publisher_(publisher_parts()),
      again_(parts_.edges.loop, [this] { try_again(); }) {}

Result<void> NetworkSlot::join() {
  auto member = Membership::open(parts_.options(), name_, parts_.edges, parts_.process, events());
  if (!member) {
    if (name_.empty()) return tl::unexpected(std::move(member).error());
    fail_with(std::move(member).error());
    return {};
  }
  member_ = *std::move(member);
  member_->start(parts_.drained());
  return {};
}

Publisher::Parts NetworkSlot::publisher_parts() {
  return {.loop = parts_.edges.loop,
          .board = parts_.board,
          .network = name_,
          .agent = [this] { return member_ && !failure_ ? &member_->agent() : nullptr; },
          .problems =
              [this] {
                std::vector<Problem> all = parts_.other_problems();
                if (failure_) all.push_back(*failure_);
                return all;
              },
          .on_published = parts_.on_published};
}

Membership::Events NetworkSlot::events() {
  return {.other_problems = parts_.other_problems,
          .on_ready =
              [this] {
                log::info("flannel is ready");
                publish();
                set_started();
              },
          .on_state = [this] { on_state(); },
          .on_fatal =
              [this](Error error) {
                if (name_.empty()) return parts_.on_fatal(std::move(error));
                fail_with(std::move(error));
              }};
}

void NetworkSlot::on_state() {
  if (member_ && !is_over_) {
    const Agent& agent = member_->agent();
    // What failed before is over once there is another configuration, or none.
    if (agent.network() != nullptr || agent.config_problem()) failure_.reset();
    // A network that others wait for in vain must not hold up this one.
    if (!name_.empty() && agent.config_problem()) set_started();
  }
  publisher_.changed();
  parts_.on_state();
}

void NetworkSlot::fail_with(Error error) {
  failure_ = make_problem(kNetworkNotJoined, name_,
                          "this host takes no part in the network " + name_ + ": " + error.text);
  is_over_ = true;
  again_.arm(parts_.edges.loop.now());
  publisher_.changed();
  set_started();
}

// The membership that has failed is destroyed in a turn of its own, for it may have called.
void NetworkSlot::try_again() {
  member_.reset();
  if (std::exchange(is_over_, false)) return again_.arm_after(kPause);
  if (const auto joined = join(); !joined) fail_with(joined.error());
}

void NetworkSlot::set_started() {
  if (std::exchange(has_started_, true)) return;
  parts_.on_started();
}

}  // namespace flannel
