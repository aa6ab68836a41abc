// SPDX-License-Identifier: Apache-2.0
// The states of the lease keeper. In the states in brackets one call to the store is under way.
//
//         start                 no record of ours                    done
//   Idle ───────▶ [Listing] ──────────────────────▶ [Creating] ─────────────────▶ Active
//                  ▲ ▲ ▲ │ │ └─a record of ours─▶ [Adopting]─┘                     │  ▲
//                  │ │ │ │ └───ours, not of use──▶ [Discarding]              due │  │ done
//                  │ │ │ │                            │ done                       ▼  │
//                  │ │ │ └──failed, all taken─┐       │                     [Refreshing] ◀─────┐
//                  │ │ └──────────────────────│───────┘                         │    │ failed  │
//                  │ └───pause over── Paused ◀┴─── outcome unknown              │    ▼    due  │
//                  │                                                            │ RefreshPaused┘
//                  └── refused, or our record was changed or removed by others ─┘ (and Active)
//
// A keeper that goes on with the lease of an earlier run begins there: Idle ──resume──▶ Active.
//
// A created record that other records may overlap is listed before it is used: Creating ▶ Listing.
//
// A host that is drained deletes its records and has none until it is undrained:
//
//   any state without a call ──drain─────────▶ [Surveying]
//   any [call] ──drain──▶ [Leaving] ──answer─▶ [Surveying]
//   [Surveying] ──a record of ours──▶ [Withdrawing] ──done, refused──▶ [Surveying]
//   [Surveying], [Withdrawing] ──failed──▶ WithdrawPaused ──due──▶ [Surveying]
//   [Surveying] ──none of ours──▶ Drained ──one came back──▶ [Surveying]
//   Drained ──one came back again──▶ WithdrawPaused
//   Drained, WithdrawPaused ──undrain──▶ [Listing]
//   [Leaving], [Surveying], [Withdrawing] ──undrain──▶ [Returning] ─answer─▶ [Listing]
//
// The answers to the calls of Leaving and Returning say nothing that the list after them does not.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "core/lease_phase.h"
#include "core/registry.h"

namespace flannel::keeper {

// The call that updates a record of ours: `replace` writes its value, `renew` extends its life.
enum class Update { replace, renew };

struct Idle {};  // not started
struct Listing {};
struct Paused {  // a list is due at `wake_at`
  TimePoint wake_at;
};
struct Creating {
  bool is_final = true;  // false: a list follows, which shows whether the record can be used
};
struct Adopting {  // a record of ours from the list is updated
  Record record;
  Update update;
};
struct Discarding {};  // a record of ours that is not to be used is deleted
struct Active {
  Record record;
  TimePoint wake_at;  // when to renew it; kNever: a reservation
};
struct Refreshing {  // the record of the active lease is updated
  Record record;
  Update update;
};
struct RefreshPaused {  // its update has failed; another attempt is due at `wake_at`
  Record record;
  TimePoint wake_at;
};
struct Leaving {};      // drained; a call of before is under way
struct Surveying {      // drained; a list shows whether there are records of ours
  bool begins = false;  // the keeper began drained, and this is its first list
};
struct Withdrawing {  // drained; this record of ours is deleted
  Record record;
};
struct WithdrawPaused {  // drained; another survey is due at `wake_at`
  TimePoint wake_at;
};
struct Drained {                           // the store has no lease of ours
  std::optional<std::string> reservation;  // the key of a reservation for us, which stays
};
struct Returning {};  // no longer drained; a call of the withdrawal is under way

using State = std::variant<Idle, Listing, Paused, Creating, Adopting, Discarding, Active,
                           Refreshing, RefreshPaused, Leaving, Surveying, Withdrawing,
                           WithdrawPaused, Drained, Returning>;

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
  leaving,
  surveying,
  withdrawing,
  withdraw_paused,
  drained,
  returning,
};
constexpr std::size_t kNames = std::variant_size_v<State>;

constexpr Name name_of(const State& state) {
  return static_cast<Name>(state.index());
}

// True in the states of a host that is drained.
constexpr bool is_drained(Name name) {
  switch (name) {
    case Name::leaving:
    case Name::surveying:
    case Name::withdrawing:
    case Name::withdraw_paused:
    case Name::drained:
      return true;
    default:
      return false;
  }
}

// True if a call to the store is under way in this state.
constexpr bool is_call(Name name) {
  switch (name) {
    case Name::listing:
    case Name::creating:
    case Name::adopting:
    case Name::discarding:
    case Name::refreshing:
    case Name::leaving:
    case Name::surveying:
    case Name::withdrawing:
    case Name::returning:
      return true;
    default:
      return false;
  }
}

// True if a drawing has an arrow from one state to the other.
constexpr bool may_follow(Name from, Name to) {
  switch (to) {
    case Name::idle:
      return false;
    case Name::listing:
      return from != Name::listing && !(is_drained(from) && is_call(from));
    case Name::paused:
      return from == Name::listing || from == Name::creating || from == Name::adopting ||
             from == Name::discarding;
    case Name::creating:
    case Name::adopting:
    case Name::discarding:
      return from == Name::listing;
    case Name::active:  // directly from a list: a reservation with our value needs no call
      return from == Name::idle || from == Name::listing || from == Name::creating ||
             from == Name::adopting || from == Name::active || from == Name::refreshing ||
             from == Name::refresh_paused;
    case Name::refreshing:
      return from == Name::active || from == Name::refresh_paused;
    case Name::refresh_paused:
      return from == Name::refreshing;
    case Name::leaving:
      return is_call(from) && !is_drained(from);
    case Name::surveying:
      return from == Name::leaving || from == Name::withdrawing || !is_call(from);
    case Name::withdrawing:
    case Name::drained:
      return from == Name::surveying;
    case Name::withdraw_paused:
      return from == Name::surveying || from == Name::withdrawing || from == Name::drained;
    case Name::returning:
      return is_call(from) && is_drained(from);
  }
  return false;
}

// Changes the state. A change that the drawing does not have is a bug and fails an assertion.
void change_state(State& state, State next);

// The update that is under way in this state; nullopt: none.
std::optional<Update> under_way(const State& state);
// The record of ours that this state knows of; null: none.
const Record* record_in(const State& state);
// The record of the active lease while no call is under way; null: in another state.
Record* active_record_in(State& state);
// The time at which this state shall end; null: the state waits for start() or for an answer.
TimePoint* wake_at_in(State& state);
const TimePoint* wake_at_in(const State& state);

LeasePhase phase_of(Name name);

}  // namespace flannel::keeper
