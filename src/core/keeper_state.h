// SPDX-License-Identifier: Apache-2.0
// The states of the lease keeper. While it is in one of those in brackets, one call to the store is
// under way.
//
//         start                 no record of ours                    done
//   Idle ───────▶ [Listing] ──────────────────────▶ [Creating] ─────────────────▶ Active
//                  ▲ ▲ ▲ │ │ └─a record of ours─▶ [Adopting]─┘                     │  ▲
//                  │ │ │ │ └───ours, does not fit──▶ [Discarding]              due │  │ done
//                  │ │ │ │                            │ done                       ▼  │
//                  │ │ │ └──failed, all taken─┐       │                     [Refreshing] ◀─────┐
//                  │ │ └──────────────────────│───────┘                         │    │ failed  │
//                  │ └───pause over── Paused ◀┴─── outcome unknown              │    ▼    due  │
//                  │                                                            │ RefreshPaused┘
//                  └── refused, or our record was changed or removed by others ─┘ (and Active)
//
// An orderly leave goes on from where no call is under way: a record that is known to be ours is
// deleted in [Releasing]; one that may be ours is looked for in [Listing] first; Idle is the end.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "core/lease_phase.h"
#include "core/registry.h"

namespace flannel::keeper {

// How a record of ours is made to say what it shall.
enum class Update { replace, renew };

struct Idle {};  // not started, or left
struct Listing {};
struct Paused {  // a list is due at `wake_at`
  TimePoint wake_at;
  std::optional<Record> ours{};  // a record that is ours although its last update failed
};
struct Creating {};
struct Adopting {  // a record of ours that was found
  Record record;
  Update update;
};
struct Discarding {};
struct Active {
  Record record;
  TimePoint wake_at;  // to refresh it; kNever: a reservation
};
struct Refreshing {  // the record of the active lease
  Record record;
  Update update;
};
struct RefreshPaused {
  Record record;
  TimePoint wake_at;
};
struct Releasing {
  Record record;
};

using State = std::variant<Idle, Listing, Paused, Creating, Adopting, Discarding, Active,
                           Refreshing, RefreshPaused, Releasing>;

// The alternatives of State, in its order.
enum class Name {
  idle,
  listing,
  paused,
  creating,
  adopting,
  discarding,
  active,
  refreshing,
  refresh_paused,
  releasing,
};
constexpr std::size_t kNames = std::variant_size_v<State>;

constexpr Name name_of(const State& state) {
  return static_cast<Name>(state.index());
}

// Whether the drawing has a way from one state to the other.
constexpr bool may_follow(Name from, Name to) {
  switch (to) {
    case Name::idle:  // an orderly leave of what is not, or no longer, in the store
      return from != Name::creating && from != Name::adopting && from != Name::refreshing;
    case Name::listing:
      return from != Name::listing;
    case Name::paused:
      return from == Name::listing || from == Name::creating || from == Name::adopting ||
             from == Name::discarding || from == Name::refreshing || from == Name::releasing;
    case Name::creating:
    case Name::adopting:
    case Name::discarding:
      return from == Name::listing;
    case Name::active:  // a reservation that says what it shall needs no call
      return from == Name::listing || from == Name::creating || from == Name::adopting ||
             from == Name::active || from == Name::refreshing || from == Name::refresh_paused;
    case Name::refreshing:
      return from == Name::active || from == Name::refresh_paused;
    case Name::refresh_paused:
      return from == Name::refreshing;
    case Name::releasing:
      return from == Name::listing || from == Name::paused || from == Name::active ||
             from == Name::refresh_paused;
  }
  return false;
}

constexpr bool is_call(Name name) {
  switch (name) {
    case Name::listing:
    case Name::creating:
    case Name::adopting:
    case Name::discarding:
    case Name::refreshing:
    case Name::releasing:
      return true;
    default:
      return false;
  }
}

// What the record in this state is being made to say; nullopt: it is not being updated.
std::optional<Update> under_way(const State& state);
// The record of ours that this state knows of; null: none.
const Record* record_in(const State& state);
// The record of the active lease while no call is under way; null: in another state.
Record* active_record_in(State& state);
// The time at which this state wants to go on; null: it waits for an answer, or for nothing.
TimePoint* wake_at_in(State& state);
const TimePoint* wake_at_in(const State& state);

LeasePhase phase_of(Name name);

}  // namespace flannel::keeper
