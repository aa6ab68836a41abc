// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_slot.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "daemon/state_locks.h"

namespace flannel {
namespace {

// Between two looks at what a network that is gone still has here: nothing reports a bridge that is
// removed.
constexpr auto kLook = std::chrono::seconds(2);
constexpr auto kSoon = std::chrono::milliseconds(200);

}  // namespace

NetworkSlot::NetworkSlot(std::string name, Parts parts)
    : name_(std::move(name)),
      parts_(std::move(parts)),
      publisher_(publisher_parts()),
      again_(parts_.edges.loop, [this] { try_again(); }) {}

Result<void> NetworkSlot::join() {
  const Options options = parts_.options();
  if (parts_.locks_subnet_file && subnet_file_.empty()) {
    auto locked = lock_subnet_file(options.subnet_file);
    if (!locked) {
      fail_with(std::move(locked).error());
      return {};
    }
    subnet_file_ = *std::move(locked);
  }
  auto member = Membership::open(options, name_, parts_.edges, parts_.process, events());
  if (!member) {
    if (name_.empty()) return tl::unexpected(std::move(member).error());
    fail_with(std::move(member).error());
    return {};
  }
  member_ = *std::move(member);
  stage_ = Stage::joined;
  gone_.reset();
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
                std::vector<Problem> all = other_problems();
                if (failure_) all.push_back(*failure_);
                return all;
              },
          .on_published = parts_.on_published};
}

Membership::Events NetworkSlot::events() {
  return {.other_problems = [this] { return other_problems(); },
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
    if (agent.network() != nullptr) pauses_.reset();
    // A network that others wait for in vain must not hold up this one.
    if (!name_.empty() && agent.config_problem()) set_started();
  }
  if (look_.armed()) look_.arm(std::min(look_.due(), parts_.edges.loop.now() + kSoon));
  publisher_.changed();
  note_territory();
}

void NetworkSlot::note_territory() {
  Territory now;
  const Network* network = member_ ? member_->agent().network() : nullptr;
  if (network != nullptr) now = {network->ranges(), network->config().peers};
  if (now == territory_) return;
  territory_ = std::move(now);
  parts_.on_territory();
}

void NetworkSlot::try_soon() {
  if (failure_ && !is_over_ && again_.armed()) again_.arm(parts_.edges.loop.now());
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
  note_territory();
  if (std::exchange(is_over_, false)) return again_.arm_after(pauses_.next());
  if (const auto joined = join(); !joined) fail_with(joined.error());
}

std::vector<Problem> NetworkSlot::other_problems() const {
  std::vector<Problem> all = parts_.other_problems();
  if (gone_) all.push_back(*gone_);
  return all;
}

void NetworkSlot::set_listed(bool listed) {
  if (std::exchange(listed_, listed) != listed) look_.arm(parts_.edges.loop.now());
}

// Two ways of asking the store must agree: the lists of all networks, and the watch of this one.
NetworkSlot::Presence NetworkSlot::presence() const {
  if (listed_) return Presence::there;
  if (!member_->agent().follower().is_up_to_date()) return Presence::unknown;
  return member_->agent().is_config_gone() ? Presence::gone : Presence::there;
}

std::optional<std::string> NetworkSlot::used_by() const {
  auto user = parts_.used_by();
  return user ? user : member_->used_by();
}

// Whatever has begun to use the network since the last look, or put it back, stops this, up to the
// moment at which its objects are removed.
void NetworkSlot::look() {
  if (stage_ == Stage::left || (listed_ && stage_ == Stage::joined && !gone_)) return;
  if (!member_ || is_over_) {
    if (!listed_) return set_stage(Stage::left);
  } else if (stage_ == Stage::removing) {
    if (member_->has_left()) return set_stage(Stage::left);
  } else if (const Presence now = presence(); now == Presence::there) {
    stay({});
    if (listed_) return;
  } else if (now == Presence::gone) {
    leave_unless_used();
    if (stage_ == Stage::left) return;
  }
  look_.arm_after(kLook);
}

void NetworkSlot::leave_unless_used() {
  const auto user = used_by();
  if (!user) return withdraw();
  stay(make_problem(kNetworkInUse, name_,
                    "its configuration is deleted, but it is in use here: " + *user));
}

void NetworkSlot::stay(std::optional<Problem> why) {
  member_->set_gone(why.has_value());
  member_->withdraw(false);
  if (gone_ != why) publisher_.changed();
  gone_ = std::move(why);
  set_stage(Stage::joined);
}

void NetworkSlot::withdraw() {
  if (stage_ == Stage::joined) {
    gone_ = make_problem(kNetworkLeaving, name_,
                         "its configuration is deleted, and nothing of this host uses it");
    set_stage(Stage::withdrawing);
    member_->set_gone(true);
    member_->withdraw(true);
    publisher_.changed();
  }
  if (!member_->is_withdrawn()) return;
  set_stage(Stage::removing);
  member_->leave();
  if (member_->has_left()) set_stage(Stage::left);
}

void NetworkSlot::set_stage(Stage stage) {
  stage_ = stage;
  if (stage == Stage::left) parts_.on_left();
}

void NetworkSlot::set_started() {
  if (std::exchange(has_started_, true)) return;
  parts_.on_started();
}

}  // namespace flannel
