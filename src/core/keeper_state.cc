// SPDX-License-Identifier: Apache-2.0
#include "core/keeper_state.h"

#include <cassert>
#include <type_traits>
#include <utility>

namespace flannel::keeper {
namespace {

// `state`'s alternative if it is a `Kind`, else null.
template <typename Kind, typename AnyState>
auto as(AnyState& state) {
  return std::get_if<Kind>(&state);
}

template <typename AnyState>
auto wake_at_of(AnyState& state) -> decltype(&as<Active>(state)->wake_at) {
  if (auto* paused = as<Paused>(state)) return &paused->wake_at;
  if (auto* active = as<Active>(state)) return &active->wake_at;
  if (auto* paused = as<RefreshPaused>(state)) return &paused->wake_at;
  if (auto* paused = as<WithdrawPaused>(state)) return &paused->wake_at;
  return nullptr;
}

}  // namespace

void change_state(State& state, State next) {
  assert(may_follow(name_of(state), name_of(next)));
  state = std::move(next);
}

std::optional<Update> under_way(const State& state) {
  if (const auto* adopting = as<Adopting>(state)) return adopting->update;
  if (const auto* refreshing = as<Refreshing>(state)) return refreshing->update;
  return std::nullopt;
}

const Record* record_in(const State& state) {
  return std::visit(
      [](const auto& one) -> const Record* {
        if constexpr (requires { one.record; }) {
          return &one.record;
        } else {
          return nullptr;
        }
      },
      state);
}

Record* active_record_in(State& state) {
  if (auto* active = as<Active>(state)) return &active->record;
  if (auto* paused = as<RefreshPaused>(state)) return &paused->record;
  return nullptr;
}

TimePoint* wake_at_in(State& state) {
  return wake_at_of(state);
}

const TimePoint* wake_at_in(const State& state) {
  return wake_at_of(state);
}

LeasePhase phase_of(Name name) {
  switch (name) {
    case Name::idle:
      return LeasePhase::idle;
    case Name::listing:
    case Name::paused:
    case Name::discarding:
    case Name::returning:
      return LeasePhase::listing;
    case Name::creating:
    case Name::adopting:
      return LeasePhase::writing;
    case Name::active:
      return LeasePhase::active;
    case Name::refreshing:
    case Name::refresh_paused:
      return LeasePhase::renewing;
    case Name::leaving:
    case Name::surveying:
    case Name::withdrawing:
    case Name::withdraw_paused:
      return LeasePhase::draining;
    case Name::drained:
      return LeasePhase::drained;
  }
  return LeasePhase::idle;
}

}  // namespace flannel::keeper
